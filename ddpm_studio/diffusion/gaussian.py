"""The Gaussian diffusion of Ho et al. 2020: forward process, posterior, and the loss.

Convention, here and everywhere: t runs 0 ... T-1, and t = 0 already means one step of noise (the paper's t = 1).
Pictures are float [B, C, H, W] in [-1, 1]; t is int64 [B].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from ddpm_studio.diffusion.likelihood import vlb_terms
from ddpm_studio.diffusion.schedules import make_betas

if TYPE_CHECKING:
    from ddpm_studio.config import DiffusionConfig


class Network(Protocol):
    """What the diffusion asks of a network; `cond` is where class or text conditioning will enter."""

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor: ...


def variance_share(output: Tensor, x_t: Tensor) -> Tensor:
    """Where between the posterior's log-variance (0) and that of beta (1) the network puts it: its last C channels in [-1, 1]."""
    return (output[:, x_t.shape[1] :].to(x_t.dtype) + 1) / 2


class GaussianDiffusion(nn.Module):
    """Equations 4, 6, 7, 11, 14 and 15 of the paper; beside them x_0- and v-prediction, Min-SNR weighting and learned variances.

    The schedule stays float64 on the device where the module is; coefficients are cast to the dtype of the pictures
    when they are used, so a float64 picture gets float64 arithmetic. (MPS knows no float64: there the buffers are
    float32, computed in float64.)
    """

    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    posterior_variance: Tensor
    posterior_log_variance_clipped: Tensor
    posterior_mean_coef1: Tensor
    posterior_mean_coef2: Tensor

    def __init__(self, config: DiffusionConfig, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.config = config
        self.num_timesteps = config.num_timesteps
        self.prediction_type = config.prediction_type

        betas = make_betas(config.beta_schedule, config.num_timesteps, config.zero_terminal_snr)
        alphas = 1 - betas
        alphas_cumprod = alphas.cumprod(0)
        alphas_cumprod_prev = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
        # Equations 6 and 7: q(x_{t-1} | x_t, x_0).
        posterior_variance = betas * (1 - alphas_cumprod_prev) / (1 - alphas_cumprod)
        # At t = 0 the posterior variance is 0: its logarithm is taken from t = 1, as in the authors' code.
        first = posterior_variance[1:2] if len(betas) > 1 else betas
        buffers = {
            "betas": betas,
            "alphas_cumprod": alphas_cumprod,
            "alphas_cumprod_prev": alphas_cumprod_prev,
            "posterior_variance": posterior_variance,
            "posterior_log_variance_clipped": torch.cat([first, posterior_variance[1:]]).log(),
            "posterior_mean_coef1": betas * alphas_cumprod_prev.sqrt() / (1 - alphas_cumprod),
            "posterior_mean_coef2": (1 - alphas_cumprod_prev) * alphas.sqrt() / (1 - alphas_cumprod),
        }
        self._log_sigmas = 0.5 * torch.log(1 / alphas_cumprod - 1)  # stays on the CPU, where t is drawn
        for name, value in buffers.items():
            self.register_buffer(name, value.to(dtype), persistent=False)

    # The forward process.

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Equation 4: x_t = sqrt(alphas_cumprod) x_0 + sqrt(1 - alphas_cumprod) noise."""
        signal, sigma = self.signal_and_noise(t, x_start)
        return signal * x_start + sigma * noise

    def signal_and_noise(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alphas_cumprod_t) and sqrt(1 - alphas_cumprod_t), each [B, 1, 1, 1] in the dtype of `like`."""
        alphas_cumprod = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return alphas_cumprod.sqrt().to(like.dtype), (1 - alphas_cumprod).sqrt().to(like.dtype)

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, variance and clipped log-variance of q(x_{t-1} | x_t, x_0); equations 6 and 7."""
        mean = self._at(self.posterior_mean_coef1, t, x_t) * x_start + self._at(self.posterior_mean_coef2, t, x_t) * x_t
        return mean, self._at(self.posterior_variance, t, x_t), self._at(self.posterior_log_variance_clipped, t, x_t)

    def draw_timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """t for `count` pictures in training, int64 [count] on the CPU: uniform as in Algorithm 1, or such that
        sigma = sqrt(1 / alphas_cumprod - 1) is log-normal (Karras et al. 2022, table 1: mean -1.2, deviation 1.2)."""
        if self.config.timestep_sampling == "uniform":
            return torch.randint(self.num_timesteps, (count,), generator=generator)
        wanted = -1.2 + 1.2 * torch.randn(count, generator=generator, dtype=torch.float64)
        return torch.searchsorted((self._log_sigmas[1:] + self._log_sigmas[:-1]) / 2, wanted)  # the nearest

    # What a prediction means.

    def target(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What the network should answer: the noise, x_0, or v = sqrt(alphas_cumprod) noise - sqrt(1 - alphas_cumprod) x_0
        (Salimans & Ho 2022)."""
        if self.prediction_type == "epsilon":
            return noise
        if self.prediction_type == "x_start":
            return x_start
        signal, sigma = self.signal_and_noise(t, x_start)
        return signal * noise - sigma * x_start

    def predict_start(self, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x_0 from the network's answer (for epsilon equation 15, which is equation 4 solved for x_0). A learned variance is left aside."""
        output = output[:, : x_t.shape[1]]
        signal, sigma = self.signal_and_noise(t, x_t)
        if self.prediction_type == "epsilon":
            return (x_t - sigma * output) / signal
        if self.prediction_type == "x_start":
            return output
        return signal * x_t - sigma * output

    def predict_noise(self, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The noise from the network's answer."""
        output = output[:, : x_t.shape[1]]
        if self.prediction_type == "epsilon":
            return output
        signal, sigma = self.signal_and_noise(t, x_t)
        if self.prediction_type == "x_start":
            return (x_t - signal * output) / sigma
        return sigma * x_t + signal * output

    def noise_from_start(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The noise that leads from x_0 to x_t: equation 4 solved for the noise."""
        signal, sigma = self.signal_and_noise(t, x_t)
        return (x_t - signal * x_start) / sigma

    # The reverse process.

    def p_mean_variance(self, output: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log-variance of p(x_{t-1} | x_t), equation 11, from the network's answer, and the x_0 behind them."""
        x_start = self.predict_start(output, x_t, t)
        if self.config.clip_x_start:
            x_start = x_start.clamp(-1, 1)
        return self.q_posterior(x_start, x_t, t)[0], self.reverse_log_variance(output, x_t, t), x_start

    def reverse_log_variance(self, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """log of Sigma(x_t, t), section 3.2: of beta (fixedlarge) or of the posterior's variance (fixedsmall), with the
        first taken from the posterior; learned: between the two, where the network says (Nichol & Dhariwal 2021, eq. 15)."""
        smallest = self._at(self.posterior_log_variance_clipped, t, x_t)
        if self.config.variance_type == "fixedsmall":
            return smallest.expand_as(x_t)
        if self.config.variance_type == "fixedlarge":
            largest = torch.cat([self.posterior_variance[1:2], self.betas[1:]]).log()
            return self._at(largest, t, x_t).expand_as(x_t)
        share = variance_share(output, x_t)
        return share * self._at(self.betas.log(), t, x_t) + (1 - share) * smallest

    # The loss.

    def training_losses(self, network: Network, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """L_simple (equation 14), or its Min-SNR weighting; one loss per picture, float [B].

        With a learned variance L_hybrid (Nichol & Dhariwal 2021, equation 16): 0.001 L_vlb is added, in which the
        gradient reaches the variance only.
        """
        x_t = self.q_sample(x_start, t, noise)
        output = network(x_t, t).float()
        prediction = output[:, : x_t.shape[1]]
        squared_error = (prediction - self.target(x_start, t, noise)).square().mean(dim=(1, 2, 3))
        loss = squared_error * self.loss_weight(t).to(squared_error.dtype)
        if self.config.variance_type == "learned":
            frozen = torch.cat([prediction.detach(), output[:, x_t.shape[1] :]], dim=1)
            loss = loss + 0.001 * self.num_timesteps * vlb_terms(self, frozen, x_start, x_t, t)
        return loss

    def loss_weight(self, t: Tensor) -> Tensor:
        """1 for L_simple; for Min-SNR-gamma (Hang et al. 2023) min(SNR, gamma) in units of the x_0 loss, that is
        divided by SNR for epsilon and by SNR + 1 for v.

        For v and x_0 that is next to nothing where there is next to nothing but noise, and the network's guesses there
        stay noise: hence the floor, for as long as there is more noise than picture. With zero terminal SNR a sampler
        begins where the weight would be 0: there the floor is 0.1 at least."""
        if self.config.loss_weighting == "simple":
            return torch.ones_like(t, dtype=self.alphas_cumprod.dtype)
        snr = self.alphas_cumprod[t] / (1 - self.alphas_cumprod[t])
        units = {"epsilon": snr, "x_start": torch.ones_like(snr), "v_prediction": snr + 1}[self.prediction_type]
        weight = snr.clamp(max=self.config.min_snr_gamma) / units
        floor = max(self.config.min_snr_floor, 0.1 if self.config.zero_terminal_snr else 0.0)
        return torch.where(snr < 1, weight.clamp(min=floor), weight)

    @staticmethod
    def _at(coefficients: Tensor, t: Tensor, like: Tensor) -> Tensor:
        return coefficients[t].view(-1, 1, 1, 1).to(like.dtype)
