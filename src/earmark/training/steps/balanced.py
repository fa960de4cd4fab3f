"""A loss in which every tag counts alike, for targets that are another tagger's scores.

Binary cross-entropy hardly cares whether a tag that its teacher gives .002 to .02 is put in the right order: rare tags
are learned last. Here log odds are standardised a tag, by the mean and deviation of the training targets' own, and the
network's, standardised alike, are to come near them; it still gives plain log odds. Choice: ours; the papers have yes
and no.
"""

import torch
from torch import Tensor
from torch.nn import functional

LEAST = 1e-3
"""Choice: targets are kept this far from 0 and 1, so that the log odds of yes and no are finite."""


class BalancedLoss:
    """Smooth absolute difference (Huber's) of standardised log odds, over known targets."""

    def __init__(self, targets: Tensor) -> None:
        """`targets`: those of training, (n, tags) in 0..1, NaN where unknown."""
        odds = torch.logit(targets.double(), LEAST)
        known = ~torch.isnan(odds)
        count = known.sum(dim=0).clamp(min=1)
        filled = torch.where(known, odds, 0.0)
        self.mean = (filled.sum(dim=0) / count).float()
        squares = torch.where(known, (odds - self.mean) ** 2, 0.0).sum(dim=0) / count
        # A tag whose targets never differ teaches nothing; a deviation of 1 keeps its numbers finite.
        self.deviation = torch.where(squares > 1e-6, squares.sqrt(), 1.0).float()

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (n, tags) and targets (n, tags) in 0..1 or NaN: the mean over known targets."""
        mean, deviation = self.mean.to(logits.device), self.deviation.to(logits.device)
        known = ~torch.isnan(targets)
        wanted = (torch.logit(torch.nan_to_num(targets, nan=0.5), LEAST) - mean) / deviation
        losses = functional.smooth_l1_loss((logits - mean) / deviation, wanted, reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)
