"""What is learned: the loss, counts that add across workers, the metrics, the answer."""
