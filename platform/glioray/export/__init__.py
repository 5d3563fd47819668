"""A model as one file that another program runs, without glioray: ONNX, or a program of torch.export."""
