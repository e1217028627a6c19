"""Small models of random weights in the hub's layout, built from configs; torch is imported by who needs it."""

_WORDS = ["an image of psoriasis on the skin of a light-skinned individual", "a dark photo of skin"] * 20


def stable_diffusion(folder):
    """Write a Stable-Diffusion-shaped pipeline to ``folder``; the folder."""
    import torch
    from diffusers import DDPMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel

    from pipeline_steps.diffusion.pretrain import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer(_WORDS, 700, 77)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet, vae = _unet(), _autoencoder()
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = DDPMScheduler(**betas, clip_sample=False, steps_offset=1)
    parts = vae, CLIPTextModel(text), tokenizer, unet, scheduler, None, None
    StableDiffusionPipeline(*parts, requires_safety_checker=False).save_pretrained(folder)
    return folder


def _unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def _autoencoder(**more):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        sample_size=16,
        **more,
    )


def flux(folder):
    """Write a Flux-shaped pipeline to ``folder``; the folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    from pipeline_steps.diffusion.pretrain import train_tokenizer
    from pipeline_steps.diffusion.pretrain_flux import clip_config, t5_config, unigram_tokenizer

    torch.manual_seed(0)
    clip, t5 = train_tokenizer(_WORDS, 700, 20), unigram_tokenizer(_WORDS, 120, 24)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=24,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    factors = {"scaling_factor": 0.36, "shift_factor": 0.12, "use_quant_conv": False, "use_post_quant_conv": False}
    vae = _autoencoder(latent_channels=4, **factors)
    small = {"num_hidden_layers": 1, "num_attention_heads": 4}
    text = CLIPTextModel(clip_config(clip, {"hidden_size": 24, "intermediate_size": 37, **small}))
    text_2 = T5EncoderModel(t5_config(t5, {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    FluxPipeline(scheduler, vae, text, clip, text_2, t5, transformer).save_pretrained(folder)
    return folder
