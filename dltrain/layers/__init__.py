"""Custom Keras layers, one per file. Importing this package makes all of them known to `keras.models.load_model`."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
