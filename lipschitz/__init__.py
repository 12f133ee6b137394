"""The library under the commands, one idea a module; docs/architecture.md shows the way in."""
