"""Who is told how a training goes: the run's page, TensorBoard, MLflow, Ray's metrics. All of it in the driver.

`listener` says what a listener is and tells them; each other module is one of them.
"""
