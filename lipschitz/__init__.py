"""What the commands share: one idea a module, none of which parses arguments."""
