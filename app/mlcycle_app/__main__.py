"""`python -m mlcycle_app` is `mlcycle`."""

from mlcycle_app.main import main

main()
