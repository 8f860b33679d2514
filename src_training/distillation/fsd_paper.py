"""``fsd-paper``: feature-wise similarity distillation as published, with its reconstruction-trained projector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.distillation.pair import Pair, per_sample_mean
from src_training.networks.network import Output

GRID = 16
LATENT = 512
_HIDDEN = 64
_EPSILON = 1e-12


class Projector(nn.Module):
    """Feature map → latent (B, 512) and back: pooled to 16x16, 1x1 to 512 channels, a shared MLP 256→64→1, mirrored.

    One 1x1 pair for each network, side and stride; the MLP is shared by all, which makes teacher and student
    comparable. Source: Dang et al., LightVessel, ICASSP 2023, section 2.1 and eq. 1 (sizes of the MLP are ours).
    """

    def __init__(self, channels: dict[str, int]) -> None:
        super().__init__()
        self.widen = nn.ModuleDict({name: nn.Conv2d(c, LATENT, 1) for name, c in channels.items()})
        self.narrow = nn.ModuleDict({name: nn.Conv2d(LATENT, c, 1) for name, c in channels.items()})
        self.encode = nn.Sequential(nn.Linear(GRID**2, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))
        self.decode = nn.Sequential(nn.Linear(1, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, GRID**2))

    def latent(self, name: str, features: Tensor) -> Tensor:
        """(B, 512) of features (B, C, h, w)."""
        wide = self.widen[name](functional.adaptive_avg_pool2d(features, GRID))
        return self.encode(wide.flatten(2))[..., 0]

    def reconstruction(self, name: str, features: Tensor) -> Tensor:
        """‖F_in - F_out‖₁ / elements over the pooled map, eq. 1 → (B,)."""
        pooled = functional.adaptive_avg_pool2d(features, GRID)
        back = self.decode(self.latent(name, features)[..., None]).unflatten(2, (GRID, GRID))
        return per_sample_mean((self.narrow[name](back) - pooled).abs())


class FsdPaper(nn.Module):
    """sqrt(mean over layer pairs of (c_t - c_s)² + 1e-12) - 1e-6, c = cos²(L_e, L_d) → (B,).

    Source: Dang et al., LightVessel, ICASSP 2023, eq. 2-3; LᵀL flattened and compared by cosine equals
    cos² of the vectors. The projector is fitted first (`fit_projector`), and but for that stays as it is.
    """

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.projector = projector.requires_grad_(False)

    @classmethod
    def between(cls, pair: Pair) -> FsdPaper:
        """A fresh projector for the symmetric layers of the two networks in ``pair``."""
        return cls(Projector({name: x.shape[1] for name, x in named_features(pair).items()}))

    def projector_loss(self, pair: Pair) -> Tensor:
        """Mean reconstruction of all layers of both networks; no gradient reaches the networks → (B,)."""
        terms = [self.projector.reconstruction(n, x.detach()) for n, x in named_features(pair).items()]
        return per_sample_mean(torch.stack(terms, dim=1))

    def forward(self, pair: Pair) -> Tensor:
        gaps = [
            self.shift("teacher", pair.teacher, stride) - self.shift("student", pair.student, stride)
            for stride in pair.symmetric_strides
        ]
        squared = per_sample_mean(torch.stack(gaps, dim=1).pow(2))
        return torch.sqrt(squared + _EPSILON) - _EPSILON**0.5

    def shift(self, who: str, output: Output, stride: int) -> Tensor:
        """c = cos²(L_e, L_d) of one symmetric layer pair → (B,)."""
        encoder = self.projector.latent(f"{who}-encoder-{stride}", output.encoder[stride])
        decoder = self.projector.latent(f"{who}-decoder-{stride}", output.decoder[stride])
        product = (encoder * decoder).sum(dim=1).pow(2)
        return product / (encoder.pow(2).sum(dim=1) * decoder.pow(2).sum(dim=1) + 1e-6)


def named_features(pair: Pair) -> dict[str, Tensor]:
    """Both networks' features at the symmetric strides, by ``who-side-stride``."""
    found: dict[str, Tensor] = {}
    for who, output in (("teacher", pair.teacher), ("student", pair.student)):
        for stride in pair.symmetric_strides:
            found[f"{who}-encoder-{stride}"] = output.encoder[stride]
            found[f"{who}-decoder-{stride}"] = output.decoder[stride]
    return found
