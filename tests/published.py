"""Small published language models for tests, written as their publishers lay them out."""

from pathlib import Path

import tiny
import torch
from safetensors.torch import load_file, save_file

RESIDUES = "LAGVSERTIDPKQNFYMHWCX"  # ESM-2's numbers 4 to 24
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "spike", "of", "virus", "##es", "##s", ".", "caf", "##e"]


def esm2(path: Path, *, seed: int = 0, hidden: int = 16, layers: int = 2, heads: int = 2) -> "torch.nn.Module":
    """Save an ESM-2 with its masked-language head, under the names and settings of the published ones; returns it."""
    from transformers import EsmConfig, EsmForMaskedLM

    torch.manual_seed(seed)
    config = EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        layer_norm_eps=1e-5,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        token_dropout=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return saved(EsmForMaskedLM(config), path)


def bert(path: Path, *, seed: int = 0, hidden: int = 16, layers: int = 2, heads: int = 2) -> "torch.nn.Module":
    """Save a BERT with its pre-training heads, dropout in its settings and the list of its word pieces beside it."""
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=24,
    )
    model = saved(BertForPreTraining(config), path)
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return model


def saved(model: "torch.nn.Module", path: Path) -> "torch.nn.Module":
    """Every parameter moved off where it starts, norms included; names as publishers have them."""
    tiny.moved(model, 0.2, torch.Generator().manual_seed(7)).eval().save_pretrained(path)
    tensors = load_file(path / "model.safetensors")
    norms = {".gamma": ".weight", ".beta": ".bias"}
    renamed = {}
    for name, tensor in tensors.items():
        end = next((e for e in norms if name.endswith(e)), None)
        renamed[name.removesuffix(end) + norms[end] if end else name] = tensor
    save_file(renamed, path / "model.safetensors")
    return model


def rewrite(path: Path, change) -> None:
    """Save the tensors of a published model anew after `change(tensors)`, which edits the dict."""
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors")


def esm_mean(model: "torch.nn.Module", sequence: str) -> torch.Tensor:
    """What EsmModel, called plainly with one sequence, says of its residues on average: (h,)."""
    ids = torch.tensor([[0, *(RESIDUES.index(residue) + 4 for residue in sequence), 2]])
    with torch.no_grad():
        return model.esm(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0, 1:-1].mean(0)
