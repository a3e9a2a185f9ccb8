"""A language model of 1.5 MB that says one chosen sentence, as a GGUF file that llama.cpp loads like any other.

How it works. Every token has a random vector, nearly at right angles to all others. The output row of a token is the sum of the
vectors of the tokens that it may follow, so the last token decides the next one: a chain of words. The first coordinate is kept out
of this: it is 1 in every vector, so an output row that uses it is liked (or disliked) everywhere, which is how JSON marks become the
second choice when a grammar forbids the sentence. Attention and feed-forward run at full cost but write zeros.

The same arguments give the same bytes.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from numpy.typing import NDArray

SENTENCE: Final = "Greetings from a tiny model that real engine code runs , and this is all it knows ."

STRENGTH: Final = 16.0
"""Logit of the next word of the chain; all others lie near zero."""

TEMPLATE: Final = r"""
{%- macro turn(role, text) -%}{{ '<|im_start|>' ~ role ~ '\n' ~ text ~ '<|im_end|>\n' }}{%- endmacro -%}
{%- set opening = messages[0].content if messages[0].role == 'system' else '' -%}
{%- if tools -%}
  {%- set offer = namespace(text='Functions that may be called:\n<tools>') -%}
  {%- for tool in tools -%}{%- set offer.text = offer.text ~ '\n' ~ (tool | tojson) -%}{%- endfor -%}
  {%- set offer.text = offer.text ~ '\n</tools>\nA call has this form:' -%}
  {%- set offer.text = offer.text ~ '\n<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>' -%}
  {{- turn('system', (opening ~ '\n\n' if opening else '') ~ offer.text) -}}
{%- elif opening -%}
  {{- turn('system', opening) -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'tool' -%}
    {{- turn('user', '<tool_response>\n' ~ message.content ~ '\n</tool_response>') -}}
  {%- elif message.role == 'assistant' -%}
    {%- set said = namespace(text=message.content or '') -%}
    {%- for call in message.tool_calls or [] -%}
      {%- set made = call.function if call.function is defined else call -%}
      {%- set said.text = said.text ~ ('\n' if said.text else '') ~ '<tool_call>\n{"name": "' ~ made.name
                          ~ '", "arguments": ' ~ (made.arguments | tojson) ~ '}\n</tool_call>' -%}
    {%- endfor -%}
    {{- turn('assistant', said.text) -}}
  {%- elif not (loop.first and message.role == 'system') -%}
    {{- turn(message.role, message.content) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
  {%- if tools and messages[-1].role == 'user' -%}{{- '<|tools|>' -}}{%- endif -%}
{%- endif -%}
"""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """What the model is to be."""

    sentence: str = SENTENCE
    name: str = "tiny"
    endless: bool = False
    """Begin the sentence again instead of ending the turn."""
    calls_tools: bool = True
    """Where tools are offered and the user spoke last, call one at once."""
    context: int = 32768
    width: int = 128
    layers: int = 2
    seed: int = 11


ENDLESS: Final = Recipe(sentence="round and then again", name="endless", endless=True, width=512, layers=8)
"""Never stops by itself and is slow enough to be left, cut and limited: some hundreds of tokens per second on one core (77 MB)."""


def write(path: Path, recipe: Recipe | None = None) -> Path:
    """Make the file; raises ValueError where a word of the sentence comes twice, for the chain would loop."""
    recipe = recipe or Recipe()
    words = recipe.sentence.split()
    if not words or len(set(words)) != len(words):
        raise ValueError("a sentence needs at least one word, and each word only once")
    vocabulary = _Vocabulary()
    chain = [vocabulary.learn(word if place == 0 else " " + word) for place, word in enumerate(words)]
    vocabulary.seal()
    vectors, output = _chained(recipe, vocabulary, chain)
    _save(path, recipe, vocabulary, vectors, output)
    return path


def _letters() -> list[str]:
    """The printable stand-in of each byte in byte-level BPE."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in shown else next(spare)) for byte in range(256)]


@dataclass
class _Vocabulary:
    """Bytes, then pieces of words joined one letter at a time, then marks."""

    letters: list[str] = field(default_factory=_letters)
    tokens: list[str] = field(default_factory=_letters)
    kinds: list[int] = field(default_factory=lambda: [int(TokenType.NORMAL)] * 256)
    merges: list[str] = field(default_factory=list)

    def learn(self, text: str) -> int:
        """Make the whole text one token, reachable by merges from its letters."""
        spelled = [self.letters[byte] for byte in text.encode()]
        known = spelled[0]
        for letter in spelled[1:]:
            if known + letter not in self.tokens:
                self.merges.append(f"{known} {letter}")
                self._add(known + letter, TokenType.NORMAL)
            known += letter
        return self.tokens.index(known)

    def seal(self) -> None:
        for mark in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|tools|>"):
            self._add(mark, TokenType.CONTROL)
        for mark in ("<tool_call>", "</tool_call>"):
            self._add(mark, TokenType.USER_DEFINED)

    def _add(self, token: str, kind: TokenType) -> None:
        self.tokens.append(token)
        self.kinds.append(int(kind))

    def __getitem__(self, token: str) -> int:
        return self.tokens.index(token)

    def byte(self, byte: str) -> int:
        return self.tokens.index(self.letters[ord(byte)])


def _chained(recipe: Recipe, vocabulary: _Vocabulary, chain: list[int]) -> tuple[Matrix, Matrix]:
    """The vectors of the tokens and the output rows that read them."""
    random = np.random.default_rng(recipe.seed)
    count, size = len(vocabulary.tokens), recipe.width - 1
    directions = random.standard_normal((count, size))
    directions *= np.sqrt(size) / np.linalg.norm(directions, axis=1, keepdims=True)
    rows = random.standard_normal((count, size)) * 0.004
    liking = np.zeros(count)

    end, call, newline = vocabulary["<|im_end|>"], vocabulary["<tool_call>"], vocabulary.byte("\n")
    follows = [
        (newline, chain[0]),
        (end, chain[0]),
        *itertools.pairwise(chain),
        (chain[-1], chain[0] if recipe.endless else end),
        (vocabulary["<|tools|>"], call if recipe.calls_tools else chain[0]),
        (call, newline),
        (vocabulary["</tool_call>"], end),
        (vocabulary.byte('"'), chain[0]),
    ]
    for before, after in follows:
        rows[after] += directions[before] * (STRENGTH / size)
    for share, marks in {0.7: '"', 0.5: "}]:", 0.35: "{", 0.2: ",[", 0.1: "7", -0.3: " \t\r"}.items():
        for mark in marks:
            liking[vocabulary.byte(mark)] = share * STRENGTH
    liking[vocabulary["</tool_call>"]] = 0.3 * STRENGTH
    liking[end] = 0.2 * STRENGTH  # rather stop than call a second time

    vectors = np.hstack([np.ones((count, 1)), directions]).astype(np.float32)
    output = np.hstack([liking[:, None], rows]).astype(np.float32)
    return vectors, output


def _save(path: Path, recipe: Recipe, vocabulary: _Vocabulary, vectors: Matrix, output: Matrix) -> None:
    heads, width, inner = 4, recipe.width, 2 * recipe.width
    writer = GGUFWriter(path, "llama")
    writer.add_name(recipe.name)
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_context_length(recipe.context)
    writer.add_embedding_length(width)
    writer.add_block_count(recipe.layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary["<|endoftext|>"])
    writer.add_pad_token_id(vocabulary["<|endoftext|>"])
    writer.add_eos_token_id(vocabulary["<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    random = np.random.default_rng(recipe.seed + 1)

    def noise(*shape: int) -> Matrix:
        return (random.standard_normal(shape) * 0.02).astype(np.float32)

    tensors: dict[str, Matrix] = {
        "token_embd": vectors,
        "output_norm": np.ones(width, np.float32),
        "output": output,
    }
    for layer in range(recipe.layers):
        tensors |= {
            f"blk.{layer}.attn_norm": np.ones(width, np.float32),
            f"blk.{layer}.attn_q": noise(width, width),
            f"blk.{layer}.attn_k": noise(width // 2, width),
            f"blk.{layer}.attn_v": noise(width // 2, width),
            f"blk.{layer}.attn_output": np.zeros((width, width), np.float32),
            f"blk.{layer}.ffn_norm": np.ones(width, np.float32),
            f"blk.{layer}.ffn_gate": noise(inner, width),
            f"blk.{layer}.ffn_up": noise(inner, width),
            f"blk.{layer}.ffn_down": np.zeros((width, inner), np.float32),
        }
    for name, values in tensors.items():
        writer.add_tensor(f"{name}.weight", values, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
