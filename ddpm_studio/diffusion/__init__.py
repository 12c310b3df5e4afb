"""The method: schedules, forward process, losses and samplers. Knows tensors and one network call, nothing else."""
