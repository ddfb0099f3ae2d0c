"""Update rules, as Keras has them: one small class per choice.

g is the gradient, w a weight, r the learning rate.
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Share
from dltrain.keras_internals import index_of
from dltrain.lazy import keras
from dltrain.registry import OPTIMIZERS, Choice


class Optimizer(Choice):
    """The contract of every update rule: a builder of Keras optimizers.

    Attributes:
        learning_rate: the peak, which `schedule` shapes; none for a rule without a learning rate.
        momentum: share of the last step that is kept; if it is 0, there are no variables for it.
        layer_decay: the learning rate of each layer relative to the next one; none for one rate everywhere. If it is a
            number, `build` receives the shares.
        ema_momentum: momentum of the moving average of the weights; none for no average.
    """

    learning_rate: float | None = None
    momentum: float = 0.0
    layer_decay: float | None = None
    ema_momentum: float | None = None

    def build(self, learning_rate: Any, plain: bool = False, shares: tuple[float, ...] = ()) -> Any:
        """Returns the Keras optimizer.

        Args:
            learning_rate: a number or a Keras LearningRateSchedule; replaces the field.
            plain: use Keras's own class instead of the faster equivalent.
            shares: share of the learning rate of each weight, in order; empty for the same rate everywhere.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class KerasOptimizer(Optimizer):
    """The base of Keras's update rules.

    Args:
        learning_rate: the peak learning rate r; `schedule` shapes it over time.
        l2: true L2, the papers' weight decay: adds l2 * w to the gradient of every trainable weight, after clipping.
        weight_decay: decoupled weight decay as in Keras: subtracts r * weight_decay * w from every weight; none for no
            decay.
        weight_decay_of: all weights; or kernels, matrices and tables alone, neither biases nor the scales and shifts of
            normalisations, as the papers of BERT and GPT-2 have it.
        clipnorm: scales each weight's gradient down to at most this norm; none for no limit.
        global_clipnorm: scales all gradients together down to at most this norm; none for no limit.
        clipvalue: limits each component of a gradient to plus or minus this; none for no limit.
        layer_decay: the head learns at r, each layer before it at this share of the rate of the next layer, decoupled
            weight decay included; layers side by side, and all tables of tokens and positions, at one rate (Clark et
            al. 2020: 0.8 to 0.9; Bao et al. 2022: 0.65 to 0.75); none for r everywhere.
        ema_momentum: momentum m of a moving average of the weights, m * average + (1 - m) * w after each step.
            Validation, the best weights and the exported network use the average, with the moving statistics of w; none
            for no average.
    """

    learning_rate: PositiveFloat = 0.001
    l2: NonNegativeFloat = 0.0
    weight_decay: NonNegativeFloat | None = None
    weight_decay_of: Literal["all", "kernels"] = "all"
    clipnorm: PositiveFloat | None = None
    global_clipnorm: PositiveFloat | None = None
    clipvalue: PositiveFloat | None = None
    layer_decay: Share | None = None
    ema_momentum: Fraction | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if getattr(self, name) is not None]
        if len(given) > 1:
            raise KeyProblem(given[1], f"must not be given together with {given[0]}: choose one kind of clipping")
        decays = [field.name for field in dataclasses.fields(self) if field.name in _DECAYS]
        if self.weight_decay_of != "all" and not any(getattr(self, name) for name in decays):
            raise KeyProblem("weight_decay_of", f"must be all where nothing decays: set {' or '.join(decays)}")

    def _keras(self) -> Any:
        """Returns the Keras class of the same arguments."""
        raise NotImplementedError

    def build(self, learning_rate: Any, plain: bool = False, shares: tuple[float, ...] = ()) -> Any:
        """Returns the Keras optimizer, as `Optimizer.build` says."""
        from dltrain.fused_optimizers import ONE_PASS

        arguments = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        l2 = arguments.pop("l2")
        arguments.pop("layer_decay")  # which the shares are made of
        arguments.pop("weight_decay_of")
        if self.ema_momentum is None:
            arguments.pop("ema_momentum")
        else:
            arguments["use_ema"] = True
        cls = self._keras() if plain else ONE_PASS.get(self._keras(), self._keras())
        cls = with_shares(cls, shares) if shares else cls
        cls = with_decay_of_kernels(cls) if self.weight_decay_of == "kernels" else cls
        cls = with_whole_gradients(cls) if self.clipnorm or self.global_clipnorm or self.clipvalue else cls
        return (with_l2(cls, l2) if l2 else cls)(**arguments | {"learning_rate": learning_rate})


def with_l2(cls: Any, l2: float) -> Any:
    """Returns a Keras optimizer class that adds l2 * w to each gradient.

    Keras calls `update_step` after clipping, and after the gradients of all replicas were summed: so the term is added
    once, whatever the number of devices, and is not clipped away.
    """

    class WithL2(cls):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            penalty = keras.ops.multiply(variable, keras.ops.cast(l2, variable.dtype))
            return super().update_step(keras.ops.add(gradient, penalty), variable, learning_rate)

    WithL2.__name__ = cls.__name__
    return WithL2


def with_whole_gradients(cls: Any) -> Any:
    """Returns a Keras optimizer class that clips the sum of all replicas' gradients; Keras clips each one's share."""

    class WithWholeGradients(cls):
        def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
            pairs = super()._all_reduce_sum_gradients([(gradient, None) for gradient in gradients])
            return super()._clip_gradients([gradient for gradient, _ in pairs])

        def _all_reduce_sum_gradients(self, gradients_and_variables: list[Any]) -> list[Any]:
            return gradients_and_variables

    WithWholeGradients.__name__ = cls.__name__
    return WithWholeGradients


def with_shares(cls: Any, shares: tuple[float, ...]) -> Any:
    """Returns a Keras optimizer class that moves each weight at its own share of the learning rate.

    Args:
        cls: the class.
        shares: one for each weight, in the order in which the optimizer gets them.
    """

    class WithShares(cls):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            share = shares[index_of(self, variable)]
            return super().update_step(gradient, variable, keras.ops.multiply(learning_rate, share))

        def _apply_weight_decay(self, variables: Any) -> None:
            # Keras multiplies it with the whole learning rate.
            whole = {key: value for key in _DECAYS if (value := getattr(self, key, None)) is not None}
            for variable in variables if whole else ():
                share = shares[index_of(self, variable)]
                for key, value in whole.items():
                    setattr(self, key, value * share)
                super()._apply_weight_decay([variable])
            for key, value in whole.items():
                setattr(self, key, value)

    WithShares.__name__ = cls.__name__
    return WithShares


def with_decay_of_kernels(cls: Any) -> Any:
    """Returns a Keras optimizer class whose weight decay leaves out biases, and scales and shifts of normalisations."""

    class WithDecayOfKernels(cls):
        def _apply_weight_decay(self, variables: Any) -> None:
            super()._apply_weight_decay([each for each in variables if _is_kernel(each)])

    WithDecayOfKernels.__name__ = cls.__name__
    return WithDecayOfKernels


def _is_kernel(variable: Any) -> bool:
    # By the name too: biases of attention have a number for each head and each of its units.
    return len(variable.shape) > 1 and variable.name not in ("bias", "beta", "gamma")


_DECAYS = ("weight_decay", "adam_weight_decay")


@OPTIMIZERS.register("sgd")
class SGD(KerasOptimizer):
    """Stochastic gradient descent: v = momentum * v - r * g; w += v.

    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, section 2.

    Args:
        momentum: share of the last step that is kept, 0 to below 1; the papers' 0.9.
        nesterov: look ahead along the momentum: w += momentum * v - r * g.
    """

    learning_rate: PositiveFloat = 0.01
    momentum: Fraction = 0.0
    nesterov: bool = False

    def _keras(self) -> Any:
        return keras.optimizers.SGD


@OPTIMIZERS.register("adam")
class Adam(KerasOptimizer):
    """Adam: m and v are running means of g and g^2, corrected for their start; w -= r * m / (sqrt(v) + epsilon).

    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2014, algorithm 1; section 2 for epsilon.

    Args:
        beta_1: decay of m per step, 0 to below 1; the paper's 0.9.
        beta_2: decay of v per step, 0 to below 1; the paper's 0.999.
        epsilon: avoids division by zero; Keras's 1e-7, the paper's 1e-8.
        amsgrad: divide by the largest v so far (Reddi et al. 2018, algorithm 2).
    """

    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False

    def _keras(self) -> Any:
        return keras.optimizers.Adam


@OPTIMIZERS.register("adamw")
class AdamW(KerasOptimizer):
    """Adam with decoupled weight decay: as adam, and w -= r * weight_decay * w.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2017, algorithm 2.

    Args:
        weight_decay: share of a weight that is subtracted per step, times the learning rate; Keras's 0.004.
        beta_1: decay of m per step, 0 to below 1.
        beta_2: decay of v per step, 0 to below 1.
        epsilon: avoids division by zero.
        amsgrad: divide by the largest v so far.
    """

    weight_decay: NonNegativeFloat = 0.004  # Keras's AdamW takes no None
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False

    def _keras(self) -> Any:
        return keras.optimizers.AdamW


@OPTIMIZERS.register("rmsprop")
class RMSprop(KerasOptimizer):
    """RMSprop: v is a running mean of g^2; w -= r * g / sqrt(v + epsilon).

    T. Tieleman and G. Hinton, "Neural networks for machine learning", 2012, lecture 6.5.

    Args:
        rho: decay of v per step, 0 to below 1.
        momentum: share of the last step that is kept, 0 to below 1.
        epsilon: avoids division by zero.
        centered: divide by the running standard deviation instead (Graves 2013).
    """

    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: PositiveFloat = 1e-7
    centered: bool = False

    def _keras(self) -> Any:
        return keras.optimizers.RMSprop


@OPTIMIZERS.register("adagrad")
class Adagrad(KerasOptimizer):
    """Adagrad: s is the sum of all g^2; w -= r * g / sqrt(s + epsilon).

    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods", 2011, section 1.

    Args:
        initial_accumulator_value: initial value of s.
        epsilon: avoids division by zero.
    """

    initial_accumulator_value: NonNegativeFloat = 0.1
    epsilon: PositiveFloat = 1e-7

    def _keras(self) -> Any:
        return keras.optimizers.Adagrad


@OPTIMIZERS.register("nadam")
class Nadam(KerasOptimizer):
    """Adam with Nesterov's momentum: the step uses m as it will be after the next gradient.

    T. Dozat, "Incorporating Nesterov momentum into Adam", 2016, algorithm 2.

    Args:
        beta_1: decay of m per step, 0 to below 1.
        beta_2: decay of v per step, 0 to below 1.
        epsilon: avoids division by zero.
    """

    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7

    def _keras(self) -> Any:
        return keras.optimizers.Nadam


@OPTIMIZERS.register("lion")
class Lion(KerasOptimizer):
    """Lion: w -= r * sign(beta_1 * m + (1 - beta_1) * g); m = beta_2 * m + (1 - beta_2) * g.

    X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2. Its learning rate is 3 to 10
    times smaller than Adam's (section 5).

    Args:
        beta_1: weight of m in the step, above 0 and below 1.
        beta_2: decay of m per step, 0 to below 1.
    """

    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta_1 == 0:
            raise KeyProblem("beta_1", "must be above 0, got 0")

    def _keras(self) -> Any:
        return keras.optimizers.Lion


@OPTIMIZERS.register("muon")
class Muon(KerasOptimizer):
    """Muon: each matrix moves by its momentum made orthogonal; all other weights, and embeddings, move as in adam.

    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; J. Liu et al., "Muon is scalable
    for LLM training", 2025, section 2.2, for the scale of the step (`rms_rate`).

    Args:
        weight_decay: decoupled weight decay of the matrices; Keras's 0.004.
        momentum: share of the last step that is kept, 0 to below 1.
        nesterov: look ahead along the momentum.
        ns_steps: Newton-Schulz iterations of the orthogonalisation.
        rms_rate: root mean square of a matrix's step before the learning rate; none to keep the step orthogonal.
        exclude_layers: regular expressions; matrices whose path contains one of them also move as in adam. Jordan et
            al. exclude the output layer, which is "logits" in dltrain's models.
        exclude_embeddings: whether matrices with "embedding" in their path move as in adam.
        adam_lr_ratio: learning rate of the other weights over that of the matrices.
        adam_beta_1: adam's beta_1 for the other weights.
        adam_beta_2: adam's beta_2 for the other weights.
        adam_weight_decay: decoupled weight decay of the other weights.
        epsilon: adam's epsilon for the other weights.
    """

    weight_decay: NonNegativeFloat | None = 0.004
    momentum: Fraction = 0.95
    nesterov: bool = True
    ns_steps: PositiveInt = 5
    rms_rate: PositiveFloat | None = 0.2
    exclude_layers: tuple[str, ...] = ()
    exclude_embeddings: bool = True
    adam_lr_ratio: PositiveFloat = 1.0
    adam_beta_1: Fraction = 0.9
    adam_beta_2: Fraction = 0.999
    adam_weight_decay: NonNegativeFloat | None = 0.004
    epsilon: PositiveFloat = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        for index, expression in enumerate(self.exclude_layers):
            try:
                re.compile(expression)
            except re.error as error:
                raise KeyProblem(f"exclude_layers[{index}]", f"must be a regular expression: {error}") from None

    def _keras(self) -> Any:
        return keras.optimizers.Muon
