"""What runs a plan of predictions; all engines give the same logits."""
