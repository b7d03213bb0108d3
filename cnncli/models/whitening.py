"""A first layer that is computed from the training pictures instead of learned."""

import torch
from torch import Tensor, nn

EPSILON = 5e-4  # added to the variances: directions that hardly vary are not blown up
PATCHES = 2**21  # that the statistics are taken of: two thousand pictures of CIFAR's size


class Whitening(nn.Conv2d):
    """A convolution that decorrelates the ``kernel_size``² patches of its input and scales them to variance 1.

    Its filters are the eigenvectors of the patches' covariance, and their negatives (for activations that cut one
    sign off), fixed once ``fit`` has seen pictures; only the bias learns. After tysam-code/hlb-CIFAR10 (2022).
    """

    def __init__(self, channels: int, kernel_size: int = 2) -> None:
        super().__init__(channels, 2 * channels * kernel_size**2, kernel_size)
        self.weight.requires_grad = False

    @torch.no_grad()
    def fit(self, inputs: Tensor) -> None:
        """Compute the filters from normalised pictures ``[N, C, H, W]`` of the training part."""
        size = self.kernel_size[0]
        patches = inputs.unfold(2, size, 1).unfold(3, size, 1)  # [N, C, H', W', size, size]
        # on the CPU: not every device has float64
        flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, self.in_channels * size**2).cpu().double()
        values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
        filters = (vectors / (values + EPSILON).sqrt()).T.reshape(-1, self.in_channels, size, size).flip(0)
        self.weight.copy_(torch.cat([filters, -filters]))
        assert self.bias is not None
        self.bias.zero_()


def fit_whitening(model: nn.Module, inputs: Tensor) -> None:
    """Compute the filters of the whitening layers of ``model``, which see its very inputs."""
    for module in model.modules():
        if isinstance(module, Whitening):
            module.fit(inputs.to(module.weight.device))


def samples_needed(shape: tuple[int, ...]) -> int:
    """How many pictures ``[C, H, W]`` have enough patches."""
    return max(PATCHES // (shape[-2] * shape[-1]), 2)


def whitens(model: nn.Module) -> bool:
    """Whether some layer wants to see training pictures before training."""
    return any(isinstance(module, Whitening) for module in model.modules())
