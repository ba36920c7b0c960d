"""What somebody may write into a sweep file that does not belong there, as YAML text."""

from __future__ import annotations

WRONG_TYPES = (
    *("{}", "[]", "[1, 2]", "{a: 1}", "[[]]", "{type: {type: gpt}}", "[{a: [{b: []}]}]"),
    *("true", "null", "~", "''", '"1"', "on", "0.5", "-1", "0", "1e-3", "word", "{type: 1}"),
    *("{type: null}", "{type: [gpt]}", "{value: 1}", "{values: {}}", "{min: {}, max: []}", "? a"),
)
HUGE = (
    *("9" * 5000, "1" + "0" * 18, str(2**63), str(2**63 - 1), str(-(2**63)), "1e308", "-1e308"),
    *("1e309", "1e-320", "0x" + "f" * 30, "0o777777777777", "999999999999", "1e18", "2147483648"),
    *("1." + "3" * 10_000, "1e" + "9" * 50, "1_000_000_000", "1e15", "100000000"),
)
NOT_NUMBERS = (
    *(".nan", ".NaN", ".inf", "-.inf", "nan", "inf", "NaN", "Infinity", "-Infinity", "1e999"),
    *("12:30:45", "1,5", "0x1F", "0b101", "0o17", "017", "1e", "e5", "--1", "+", "1e-", "1.2.3"),
)
RANGES = (
    *("{min: 1, max: 0}", "{min: 0, max: 0}", "{min: -1e308, max: 1e308}", "{min: .nan, max: 1}"),
    *("{distribution: q_uniform, min: 0, max: 1, q: 1e-300}", "{min: 1}", "{max: 1}", "{}", "[]"),
    *("{distribution: q_uniform, min: -1e308, max: 1e308, q: 1}", "{values: []}", "{values: 5}"),
    *("{distribution: int_uniform, min: 1, max: 9223372036854775807}", "{values: [1, 1.0, true]}"),
    *("{distribution: log_uniform_values, min: 0, max: 1}", "{values: [{}, [], null]}"),
    *("{distribution: log_uniform_values, min: 1e-320, max: 1e308}", "{value: {a: 1}}"),
    *("{distribution: q_uniform, min: 0, max: 1, q: -1}", "{distribution: normal, mu: 0}"),
    *("{distribution: int_log_uniform_values, min: 0.5, max: 1.5}", "{values: [nan, inf]}"),
    *("{value: 1, values: [1], min: 0}", "{min: [1], max: {a: 1}}", "{distribution: [uniform]}"),
)
TAGS = (
    *("!!python/object/apply:os.system [x]", "!!python/name:os.system x", "!!binary aGVsbG8="),
    *("!!set {a, b}", "!!omap [a: 1]", "!!timestamp 2001-01-01", "!foo 1", "!<tag:x,2000:y> 1"),
    *("!!str 1", "!!int x", "!!float 1", "!!null ''", "!!bool 7", "!!map []", "!!seq {}", "! x"),
)
UNICODE = (
    *("\u202eevil\u202c", "\u200bzero", "\ufeffbom", "\u0430dam", "\uff11\uff12", "e\u0301" * 50),
    *("\U0001f600" * 20, "\u2028line", "\x85nel", "\x00nul", "\x1b[31mred", "\x07bell", "\ufffe"),
    *("\ud800half", "\U000e0001tag", "\u0661\u0662", "a" * 300_000, "\u00a0", "\u3000", "\x7f"),
)
DOCUMENTS = (
    *("---\n", "...\n", "--- 1\n", "---\nname: b\n---\n", "%YAML 9.9\n---\n", "%TAG ! x\n---\n"),
    *("%YAML 1.1\n---\n", "--- |\n  text\n", "---\n...\n---\n", "--- >\n", "%FOO\n", "%\n"),
)
ALIASES = (
    *("&a [*a]", "*nowhere", "&a {b: *a}", "{<<: {a: 1}}", "{<<: *x}", "&x", "*", "& a", "&a &b 1"),
    *("&a *a", "{? &k key : *k}", "[&a 1, *a, *a]", "{&a a: *a}", "&a 1 &b", "{<<: [&m {}, *m]}"),
)
PATHS = (
    *("''", "'.'", "'..'", "'model.'", "'.model'", "'model..d_model'", "model", "model.type"),
    *("__class__", "model.__dict__.x", "model.model_fields", "model.SIZES", "base.model.size"),
    *(".".join(["a"] * 2000), "'model.num_layers '", "MODEL.num_layers", "training.epochs.x"),
    *("'model[0]'", "'model.\u0430'", "dataset.corpus", "dataset.corpus.type", "seed", "schedule"),
    *("training.evaluate_generation", "training.evaluate_generation.decoding.beam_size"),
)
PLACES = (
    "name: ../../outside",
    "name: /tmp/outside",
    "name: .",
    "name: ..",
    "name: .hidden",
    "name: 'a/b'",
    "name: 'a\\b'",
    "name: ''",
    f"name: {'n' * 5000}",
    "name: 'a\0b'",
    'name: "a\\0b"',
    "name: CON",
    "name: -rf",
    "name: '~'",
    "name: $HOME",
    "tracking: {mlflow: {uri: 'sqlite:////proc/nowhere/mlflow.db'}}",
    "tracking: {mlflow: {uri: 'sqlite:////dev/null'}}",
    "tracking: {mlflow: {uri: 'sqlite:///:memory:'}}",
    "tracking: {mlflow: {uri: 'file:///etc'}}",
    "tracking: {mlflow: {uri: 'databricks'}}",
    'tracking: {mlflow: {uri: "sqlite:///a\\0b"}}',
    "tracking: {mlflow: {uri: 'http://[::1'}}",
    "tracking: {mlflow: {uri: 'http://host:notaport'}}",
    f"tracking: {{mlflow: {{uri: 'sqlite:///{'long/' * 2000}'}}}}",
    "tracking: {mlflow: {uri: ''}}",
    "tracking: {wandb: {}}",
    "tracking: [mlflow]",
    "tracking: {mlflow: {uri: 'http://me:hunter2@127.0.0.1:9'}}",
    "resources: {gpu: 4096}",
    "resources: {cpu: 4096}",
)
CORPORA = (
    *("/dev/zero", "/dev/stdin", "/proc/self/mem", "..", "/", "~", "nowhere.txt", "python_doc"),
    *("{type: text, train: /dev/zero}", "{type: text, train: /proc/self/mem}"),
    *("{type: text, train: ../../../../etc}", "{type: text, train: nowhere.txt}"),
    *('{type: text, train: "a\\0b"}', f"{{type: text, train: {'x' * 5000}}}"),
    *("{type: pairs, train: /dev/zero}", "{type: pairs, train: {source: a, target: b}}"),
    *("{type: pairs, train: /dev/zero.tsv}", "{type: pairs, train: {source: a}}", "{type: pairs}"),
    *("{type: url, url: 'http://', sha256: 0}", "{type: url, url: 'file:///etc/passwd'}"),
    "{type: url, url: 'http://a b/', sha256: " + "0" * 64 + "}",
    *("{type: catalogue, name: ../../etc/passwd}", "{type: catalogue, name: ''}"),
    *("{type: huggingface, path: ../../..}", "{type: huggingface, path: /etc/passwd}"),
    *("{type: markov, length: 1000000000000000}", "{type: markov, symbols: 1000000}"),
    *("{type: markov, length: 9223372036854775807, order: 4}", "{type: markov, length: 1}"),
    *("{type: markov, order: 4, symbols: 26}", "{type: markov, concentration: 1e-320}"),
    *("{type: markov, concentration: 1e308}", "{type: markov, length: 3000000000}"),
    *("{type: reverse, num_pairs: 1000000000000}", "{type: reverse, num_pairs: 100}"),
    *("{type: reverse, symbols: 2, max_length: 1}", "{type: reverse, max_length: 1000}"),
    *("{type: reverse, symbols: 2, max_length: 1, num_pairs: 9223372036854775807}",),
    *(
        "{type: number_words, num_pairs: 9223372036854775807}",
        "{type: number_words, max_number: 9}",
    ),
    *("{type: number_words, num_pairs: 500000000, max_number: 999999999}",),
    *("{type: docstrings, max_source_chars: 9223372036854775807}", "{type: docstrings, x: 1}"),
    *("{type: text}", "{type: text, train: ''}", "{type: text, train: .}", "{type: [text]}"),
)
