"""What rooms still ask of a DataSpec that its features should be asked."""

from typing import Any


class Former:
    """The properties of data of one shape."""

    inputs: Any
    targets: Any

    @property
    def input_shape(self) -> Any:
        """Of one example."""
        return self.inputs.only.shape

    @property
    def class_names(self) -> Any:
        """Of the target."""
        return getattr(self.targets.only, "class_names", ())

    @property
    def exclusive(self) -> bool:
        """Whether an example has one class."""
        return self.targets.only.registered_name != "labels"

    @property
    def columns(self) -> Any:
        """Of a table."""
        return getattr(self.inputs.only, "columns", ())

    @property
    def mean(self) -> Any:
        """Of the input."""
        return self.inputs.only.mean

    @property
    def standard_deviation(self) -> Any:
        """Of the input."""
        return self.inputs.only.standard_deviation

    @property
    def is_image(self) -> bool:
        """Whether the input is an image."""
        return self.inputs.only.registered_name == "image"

    @property
    def numbers(self) -> Any:
        """To predict."""
        return getattr(self.targets.only, "each", ())

    @property
    def outputs(self) -> int:
        """How many."""
        return len(self.numbers or self.class_names)

    @property
    def shapes(self) -> Any:
        """All that weights depend on."""
        return self.signature  # type: ignore[attr-defined]

    def normalized(self, inputs: Any, name: str = "normalization") -> Any:
        """Returns preprocessed inputs."""
        return self.preprocess(inputs, name)  # type: ignore[attr-defined]
