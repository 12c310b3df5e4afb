"""The window. The only part of DDPM Studio that knows Qt; it loads torch only inside the threads of its jobs."""
