"""The words of a page, for a reader who meets them for the first time."""

WORDS = {
    "margin": "The logit of the true class minus that of the target. At 0 or below, the network "
    "ranks the target first of the two.",
    "sample, N, iteration": "Points are drawn in a ball around the image, N in an iteration, and "
    "the gradient of the margin is taken at each. The largest gradient norm of an iteration is a "
    "maximum.",
    "constant": "The largest gradient norm in the ball, estimated: the end point of the reverse "
    "Weibull distribution that is fitted to the maxima. More exactly, the local Lipschitz "
    "constant of the margin.",
    "score": "The margin at the image divided by the constant (second order: a formula with the "
    "curvature): an estimate of a distance below which no input can have the target class. It is "
    "no guarantee.",
    "interval of a score": "The range of scores that fit the maxima nearly as well. It says how "
    "well the maxima determine their end point, and nothing about steep places that no sample met.",
    "penalty, shape": "The fit has a small penalty on its scale, as in the published method. The "
    "shape is the parameter that says how fast the density falls at its end: the larger, the less "
    "the maxima tell about the end.",
    "p": "Whether the maxima can come from the fitted distribution (Kolmogorov-Smirnov). Small: "
    "look at the picture of the fit. Large: no reason to believe the score.",
    "attack": "A search for the nearest input whose margin is 0 or less (FMN). Its distance is "
    "certain, and the true one is at most that.",
    "ratio": "The score over the attack’s distance. Above 1, the score is refuted.",
    "refuted": "An attack found an input nearer than the score says is possible.",
    "outside": "The score is larger than the ball of its norm that lies in the sampled one, so it "
    "is an extrapolation. Of n values, a ball of radius R in L2 holds a ball of R / √n in L∞.",
    "impossible": "No valid input is as far from the image as the score.",
    "grows": "Iterations put together, two by two or four by four, are those of a larger N. Their "
    "constant lies beyond the interval of the constant.",
    "infinite": "All sampled gradients are 0, or nearly: the score says nothing. Means leave it "
    "out.",
    "least, top2, random, user": "Kinds of targets: the class with the least logit, the "
    "runner-up, a class drawn at random, one that the user named.",
    "L1, L2, L∞": "Norms of a distance: the sum of all changes, the root of the sum of their "
    "squares, the largest change. They are in units of the network’s inputs.",
    "sign test": "Whether the second experiment scores higher on as many images as it scores "
    "lower: how likely a fair coin is as uneven, or more.",
}
