"""Training: one readable loop, what it saves, and the device it runs on."""
