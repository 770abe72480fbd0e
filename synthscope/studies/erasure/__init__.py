"""Do annotated artifacts change the logit more than benign regions of the same shape?"""
