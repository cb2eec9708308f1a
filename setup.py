"""What a wheel holds beside the modules: the workflow with its configuration, profiles and tables, as gde/_product.

An editable installation needs no copy: there the checkout is the product (`gde.files.product`).
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
FILES = (
    "workflow/Snakefile", "workflow/*/*.smk", "workflow/*/*.py", "workflow/*/*.json", "workflow/*/*.rst",
    "config/config.yaml", "config/README.md", "config/experiments/*.yaml", "profiles/README.md", "profiles/*/*.yaml",
    "envs/*.yaml", "resources/sources.yaml", "resources/references/*",
)  # fmt: skip


class WithProduct(build_py):
    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in sorted(file for pattern in FILES for file in HERE.glob(pattern)):
            target = Path(self.build_lib, "gde/_product", file.relative_to(HERE))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


setup(cmdclass={"build_py": WithProduct})
