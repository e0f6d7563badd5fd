"""Core-sets: a selector trained on the labeled pool chooses what the target trains on."""
