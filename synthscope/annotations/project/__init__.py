"""Annotation projects: images, labels and rubric for people who mark artifacts, and what they marked back as rows."""
