"""What nobody may read into an inspection: the same sentences under every one."""

from __future__ import annotations

NOT_PROOF = "Heatmaps are not proof."
HEATMAPS = (
    "They show where a detector's score comes from, not what is wrong with the picture, and some show little even of "
    "that."
)
ABSENCE = (
    "Absence proves nothing: most platforms strip such data, and anybody can write them. "
    "Nothing here has any part in the answer."
)
P_VALUE = (
    "The p-value is (1 + the number of reference photographs that score at least as high) / (n + 1). It says how rare "
    "such a score is among those photographs. It does not say how likely it is that AI made this picture."
)
LIMITS = (
    "The comparison holds for photographs like those of the reference set, and for no others. Other cameras, subjects, "
    "editors and platforms may score otherwise.",
    "A level of 0.01 lets about 1 in 100 such photographs pass as evidence of AI generation. Among thousands of "
    "files, expect some.",
    "A detector knows the generators that it was trained on. It often misses newer ones, edited parts of a photograph, "
    "and pictures that went through several platforms: no evidence found is not evidence of a camera.",
    "Heavy editing, filters and upscaling can score high although nothing was generated.",
    "Decide nothing about a person on this page alone.",
)
NOT_CALIBRATED = (
    "Compared with nothing: no detector here has a reference set, so none may answer. "
    "The command synthscope calibrate makes one of your own photographs."
)
FOLDER = (
    "The p-value is that of the detector with most evidence; among thousands of photographs some have small ones by "
    "chance. The order is a place to begin looking, not a finding."
)
