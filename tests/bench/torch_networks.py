"""The workloads' networks in PyTorch, weight for weight those of dltrain."""

import torch
from torch import nn


def build(name: str, classes: int) -> nn.Module:
    """Returns the network of a workload, by its name in `side.WORKLOADS`."""
    return {
        "mlp": _mlp,
        "cnn": _cnn,
        "resnet-20": ResNet20,
        "alexnet small": lambda count: AlexNet(count, (48, 128, 192, 192, 128), (3, 3, 3, 3, 3), 1, 512, 128 * 4 * 4),
        "alexnet": lambda count: AlexNet(count, (96, 256, 384, 384, 256), (11, 5, 3, 3, 3), 4, 4096, 256 * 6 * 6),
    }[name](classes)


def _mlp(classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, classes))


def _cnn(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip


class Block(nn.Module):
    """A residual block of ResNet-20 with shortcut A."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )  # fmt: skip
        self.stride, self.missing = stride, filters - channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x
        if self.missing:
            half = self.missing // 2
            shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return torch.relu(self.body(x) + shortcut)


class ResNet20(nn.Module):
    """He et al. 2015, section 4.2."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        channels = 16
        for filters in (16, 32, 64):
            for block in range(3):
                layers.append(Block(channels, filters, 2 if filters > 16 and block == 0 else 1))
                channels = filters
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012, its two towers as grouped convolutions; the response is normalised over both."""

    def __init__(self, classes: int, filters: tuple, kernels: tuple, stride: int, units: int, features: int) -> None:
        super().__init__()
        padding = [0 if stride > 1 else 1, *(kernel // 2 for kernel in kernels[1:])]
        pool_padding = 0 if stride > 1 else 1
        groups, channels, layers = (1, 2, 1, 2, 2), 3, []
        for index, count in enumerate(filters):
            layers += [
                nn.Conv2d(
                    channels, count, kernels[index], stride if index == 0 else 1, padding[index], groups=groups[index]
                ),
                nn.ReLU(),
            ]
            if index < 2:
                layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
            if index in (0, 1, 4):
                layers.append(nn.MaxPool2d(3, 2, pool_padding))
            channels = count
        self.body = nn.Sequential(
            *layers, nn.Flatten(),
            nn.Linear(features, units), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(units, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)
