"""Settings come from arguments, the environment and a file, in this order; what they do not mean is refused by name."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

import statek
from statek.agents.definitions import HARNESS_NAMES
from statek.agents.providers import Provider, ProviderUnusable, Secret
from statek.cli.scheduler_command import scheduler_command
from statek.core.agents import Harness
from statek.logs.redaction import MASK, redacted
from statek.service.configured import log_options, model_providers, service_options
from statek.settings import Settings, SettingsRefused, load_settings
from statek.settings.fields import ModelSettings, ProviderSettings
from statek.settings.former import INSTEAD
from statek.settings.sources import is_secret
from statek_policies.errors import nearest

KEY = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a settings file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(file: Path | None = None, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as caught:
        load_settings(file, environment=environment)
    return caught.value.faults


def written(text: str, name: str = "statek.toml", mode: int = 0o600) -> Path:
    path = Path(name)
    path.write_text(text)
    path.chmod(mode)
    return path


# which source counts


def test_an_argument_counts_before_the_environment_and_that_before_the_file_and_that_before_the_default() -> None:
    written("max_turns = 1\nmax_parked = 1\nworkers = 1")
    settings = load_settings(environment={"STATEK_MAX_TURNS": "2", "STATEK_MAX_PARKED": "2"}, max_turns=3)
    assert (settings.max_turns, settings.max_parked, settings.workers, settings.copies_kept) == (3, 2, 1, 3)
    assert settings.origins == {
        "max_turns": "argument",
        "max_parked": "STATEK_MAX_PARKED",
        "workers": "statek.toml:3",
    }


def test_a_named_file_takes_the_place_of_the_one_in_the_working_directory() -> None:
    written("max_turns = 1")
    other = written("max_turns = 2", "other.toml")
    third = written("max_turns = 3", "third.toml")
    assert load_settings(environment={"STATEK_SETTINGS": str(other)}).max_turns == 2
    assert load_settings(third, environment={"STATEK_SETTINGS": str(other)}).max_turns == 3


def test_a_named_file_that_is_not_there_is_refused() -> None:
    (fault,) = faults(STATEK_SETTINGS="nowhere.toml")
    assert fault == "nowhere.toml: No such file or directory"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings(environment={"STATEK_MAX_TURNS": "", "STATEK_SETTINGS": ""}).origins == {}


def test_an_argument_of_none_counts_as_not_given() -> None:
    assert load_settings(environment={"STATEK_WORKERS": "2"}, workers=None).workers == 2


def test_a_key_under_its_usual_name_counts_where_nothing_of_ours_is_said() -> None:
    usual = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://localhost:1/v1"}
    settings = load_settings(environment=usual)
    assert settings.model_api_key == SecretStr(KEY)
    assert settings.model_base_url == "http://localhost:1/v1"
    written("model_api_key = 'sk-of-the-file-0123456789'")
    assert load_settings(environment=usual).model_api_key == SecretStr("sk-of-the-file-0123456789")
    ours = {**usual, "STATEK_MODEL_API_KEY": "sk-ours-0123456789"}
    assert load_settings(environment=ours).model_api_key == SecretStr("sk-ours-0123456789")


def test_a_path_in_the_file_starts_beside_the_file_and_one_in_the_environment_where_the_command_runs() -> None:
    Path("etc").mkdir()
    file = written("app = 'app.py'\nkeys = '/keys'\nlogs_path = '~/logs'", "etc/statek.toml")
    settings = load_settings(file, environment={"STATEK_STORE": "store"})
    assert settings.app == Path.cwd() / "etc" / "app.py"
    assert settings.keys == Path("/keys")
    assert settings.logs_path == Path.home() / "logs"
    assert settings.store == Path("store")


def test_every_option_of_the_scheduler_is_a_setting() -> None:
    options = {option.name for option in scheduler_command.params} - {"http"}  # which says several at once
    assert options | {"http_enabled", "http_host", "http_port"} <= set(Settings.model_fields)


# what is refused


def test_all_faults_of_all_sources_are_told_at_once_and_each_names_its_place_and_what_would_be_right() -> None:
    written("max_turn = 3\nworkers = 0\npark_seconds = true\n[http]\nport = 1")
    assert faults(STATEK_MAX_TOKENS_USAGE="1", STATEK_HTTP_PORT="http", STATEK_LISTEN="here") == (
        "statek.toml:1: max_turn: there is no such setting; did you mean 'max_turns'?",
        "statek.toml:4: http: there is no such setting; did you mean 'http_port'?; "
        "the file has no tables but [providers.NAME], a setting is written as one name",
        "statek.toml:2: workers: 0 is not what it takes: a whole number from 1 to 1000, or none",
        "statek.toml:3: park_seconds: True is not what it takes: a number from 0 up (it is a truth value)",
        "STATEK_MAX_TOKENS_USAGE: there is no such setting; did you mean 'STATEK_MAX_TOKEN_USAGE'?",
        "STATEK_LISTEN: 'here' is not what it takes: tcp://HOST:PORT or ipc://PATH, or none "
        "('here' is no endpoint: its form is not known; use tcp://HOST:PORT or ipc:///path/to/socket)",
        "STATEK_HTTP_PORT: 'http' is not what it takes: a whole number from 0 to 65535",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrency", "0"),
        ("max_concurrency", "1.5"),
        ("park_seconds", "nan"),
        ("park_seconds", "inf"),
        ("park_seconds", "-1"),
        ("copies_kept", "none"),
        ("max_cost", "much"),
        ("max_cost", "1e30"),
        ("max_turns", "9007199254740993"),
        ("limit_extension_per_completion", "1e9"),
        ("context_tokens", "9007199254740993"),
        ("http_enabled", "perhaps"),
        ("log_level", "LOUD"),
        ("log_format", "xml"),
        ("listen", "tcp://host"),
        ("model_base_url", "localhost:8000/v1"),
        ("model_base_url", "ftp://localhost/v1"),
        ("model_base_url", "http://[::1"),
        ("model", "m" * 5_000),
    ],
)
def test_a_malformed_value_is_refused_wherever_it_stands(name: str, value: str) -> None:
    (fault,) = faults(**{f"STATEK_{name.upper()}": value})
    assert fault.startswith(f"STATEK_{name.upper()}: ")
    assert "is not what it takes: " in fault
    written(f"{name} = {json.dumps(value)}")
    (fault,) = faults()
    assert fault.startswith(f"statek.toml:1: {name}: ")


def test_a_malformed_value_is_refused_also_where_another_source_overrules_it() -> None:
    written("max_turns = 'many'")
    assert len(faults(STATEK_MAX_TURNS="3")) == 1


def test_none_takes_a_bound_away() -> None:
    written("max_exceptions = 'none'")
    settings = load_settings(environment={"STATEK_MAX_TURNS": "None"})
    assert settings.max_turns is None
    assert settings.max_exceptions is None


def test_a_setting_of_the_in_process_statek_is_refused_with_what_takes_its_place() -> None:
    (fault,) = faults(STATEK_PYTHON_SANDBOX_MODE="off")
    assert fault.startswith("STATEK_PYTHON_SANDBOX_MODE: there is no such setting: code always runs behind the wall")
    assert not set(INSTEAD) & set(Settings.model_fields)


def test_a_variable_that_kubernetes_sets_is_refused_with_the_way_to_be_rid_of_it() -> None:
    (fault,) = faults(STATEK_SERVICE_HOST="10.0.0.1")
    assert "enableServiceLinks: false" in fault


def test_an_unknown_argument_is_refused_too() -> None:
    with pytest.raises(SettingsRefused, match=r"^argument: max_turn: there is no such setting; did you mean"):
        load_settings(environment={}, max_turn=3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_turns = ", "statek.toml: Invalid value"),
        ("max_turns = 1\nmax_turns = 2", "statek.toml: Cannot overwrite"),
        ("x = " + "[" * 40, "statek.toml:1: is nested"),
        ("#" * 200_000, "statek.toml: is longer than"),
    ],
    ids=["no TOML", "twice", "deep", "long"],
)
def test_a_file_that_is_no_settings_file_is_refused(text: str, reason: str) -> None:
    written(text)
    (fault,) = faults()
    assert fault.startswith(reason)


def test_a_pipe_in_the_place_of_the_file_is_refused_and_not_waited_for() -> None:
    os.mkfifo("statek.toml")
    assert faults() == ("statek.toml: is a pipe and not a file",)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused_because_it_says_what_program_runs(mode: int) -> None:
    written("max_turns = 1", mode=mode)
    (fault,) = faults()
    assert "can be written by other users" in fault
    assert "chmod go-w" in fault


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_another_user_is_refused_because_it_says_what_program_runs() -> None:
    os.chown(written("max_turns = 1"), 65534, 65534)
    (fault,) = faults()
    assert "belongs to another user" in fault


def test_a_file_with_a_secret_that_everybody_can_read_is_refused() -> None:
    written(f"model_api_key = '{KEY}'", mode=0o644)
    (fault,) = faults()
    assert fault == "statek.toml: holds model_api_key and can be read by everybody: chmod o-r statek.toml"


# secrets


def test_a_secret_is_in_no_representation_of_the_settings() -> None:
    settings = load_settings(environment={"OPENAI_API_KEY": KEY})
    for text in (repr(settings), str(settings), json.dumps(settings.shown()), settings.model_dump_json()):
        assert KEY not in text
    assert settings.model_api_key is not None
    assert settings.model_api_key.get_secret_value() == KEY


def test_a_secret_is_in_no_error_about_it_nor_in_what_the_error_came_from() -> None:
    with pytest.raises(SettingsRefused) as caught:
        load_settings(environment={"STATEK_MODEL_API_KEY": KEY * 1_000, "STATEK_MAX_TURNS": "x"})
    assert len(caught.value.faults) == 2
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    context = caught.value.__context__
    assert context is None or KEY not in str(context)


def test_a_password_in_an_address_is_refused_without_being_repeated() -> None:
    (fault,) = faults(STATEK_MODEL_BASE_URL="https://me:hunter2@host/v1")
    assert "hunter2" not in fault
    assert "belong into the key" in fault


def test_the_names_of_secrets_are_known_where_sources_are_read() -> None:
    fields = {**Settings.model_fields, **ProviderSettings.model_fields}
    assert {name for name in fields if is_secret(name)} == {
        name for name, field in fields.items() if "SecretStr" in str(field.annotation)
    }


# what becomes of them


def test_the_bounds_of_agents_are_those_of_the_settings() -> None:
    assert load_settings(environment={}).harness() == Harness()
    environment = {"STATEK_MAX_COST": "0.000001", "STATEK_MAX_TOKEN_USAGE": "none", "STATEK_MAX_TURNS": "7"}
    harness = load_settings(environment=environment).harness()
    assert (harness.max_cost_micros, harness.max_tokens, harness.max_turns) == (1, None, 7)
    assert load_settings(environment={"STATEK_MAX_COST": "12.5"}).max_cost == Decimal("12.5")


def test_a_scheduler_and_its_logs_get_what_the_settings_say() -> None:
    settings = load_settings(environment={}, retain_days=2, listen="tcp://127.0.0.1:1", logs_path=Path("logs"))
    options = service_options(settings)
    assert options.retain_seconds == 2 * 86_400
    assert options.listen is not None
    assert options.listen.text == "tcp://127.0.0.1:1"
    assert log_options(settings).directory == Path("logs")


def default_provider(**environment: str) -> Provider:
    (provider,) = model_providers(load_settings(environment=environment))
    return provider


def test_the_model_is_asked_of_whom_the_settings_name() -> None:
    assert model_providers(load_settings(environment={})) == ()
    Path("key").write_text("sk-of-a-key-file-0123456789\n")
    provider = default_provider(STATEK_MODEL_API_KEY_PATH="key", STATEK_MODEL_RETRIES="0")
    assert (provider.base_url, provider.retries) == ("https://api.openai.com/v1", 0)
    assert provider.key == Secret("sk-of-a-key-file-0123456789")
    assert default_provider(OPENAI_API_KEY=KEY, STATEK_MODEL_API_KEY_PATH="key").key == Secret(KEY)


def test_a_key_does_not_go_to_another_host_in_readable_form_unless_that_is_said() -> None:
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://models.example/v1"}
    with pytest.raises(ProviderUnusable, match="anybody on the way"):
        default_provider(**environment)
    assert default_provider(**environment, STATEK_MODEL_PLAIN_HTTP="true").plain_http


LOCAL = """
[providers.local]
base_url = "http://127.0.0.1:8000/v1"
retries = 1

[providers."other.one"]
base_url = "https://models.example/v1"
api_key_path = "keys/one"
"""


def test_agents_may_name_further_providers_which_the_file_describes() -> None:
    Path("keys").mkdir()
    Path("keys/one").write_text("sk-of-the-other-0123456789")
    settings = load_settings(written(LOCAL), environment={"OPENAI_API_KEY": KEY})
    default, local, other = model_providers(settings)
    assert (default.name, local.name, other.name) == ("default", "local", "other.one")
    assert (local.base_url, local.key, local.retries) == ("http://127.0.0.1:8000/v1", None, 1)
    assert other.key == Secret("sk-of-the-other-0123456789")
    assert settings.shown()["providers.local.retries"] == 1
    assert settings.origins["providers.local.retries"] == "statek.toml:4"


def test_what_can_be_said_of_the_default_provider_can_be_said_of_any_in_the_same_words() -> None:
    address = "base_url"  # which has to be there for any but the default one
    for name, field in ProviderSettings.model_fields.items():
        twin = ModelSettings.model_fields[f"model_{name}"]
        assert (name == address) == (twin.annotation != field.annotation)
        assert name == address or (twin.default, twin.metadata) == (field.default, field.metadata)
    assert ProviderSettings.model_fields.keys() - {"api_key", "api_key_path"} <= Provider.__dataclass_fields__.keys()


def test_a_provider_that_is_given_takes_the_place_of_one_of_the_settings() -> None:
    settings = load_settings(written(LOCAL.partition('[providers."')[0]), environment={"OPENAI_API_KEY": KEY})
    given = Provider(name="default", base_url="http://localhost:1/v1")
    assert service_options(settings, providers=[given]).models.providers[0] is given
    assert [one.name for one in service_options(settings, providers=[given]).models.providers] == ["default", "local"]


def test_what_is_wrong_with_a_provider_is_told_by_its_line() -> None:
    text = """
[providers.local]
base_ulr = "x"
retries = 99
api_key = 3
[providers.default]
base_url = "https://models.example/v1"
[providers.none]
[providers.deep.er]
base_url = { x = 1 }
"""
    assert faults(written(text)) == (
        "statek.toml:8: providers.none: a provider is a table [providers.NAME] of the file, and has a base_url",
        "statek.toml:3: providers.local.base_ulr: there is no such setting; did you mean 'base_url'?",
        "statek.toml:3: providers.local.base_ulr: beside it there has to be a base_url",
        "statek.toml:5: providers.local.api_key: its value is not what it takes: "
        "visible ASCII characters without spaces, or none",
        "statek.toml:4: providers.local.retries: 99 is not what it takes: a whole number from 0 to 20",
        "statek.toml:7: providers.default.base_url: that provider is what model_base_url and the like say",
        "statek.toml:9: providers.deep.er: there is no such setting; `statek settings` shows those that there are; "
        "the file has no tables but [providers.NAME], a setting is written as one name",
        "statek.toml:9: providers.deep.er: beside it there has to be a base_url",
    )


@pytest.mark.parametrize("name", ["STATEK_PROVIDERS", "STATEK_PROVIDERS.LOCAL.BASE_URL"])
def test_a_provider_cannot_be_described_in_the_environment(name: str) -> None:
    assert faults(**{name: "x"}) == (f"{name}: a provider is a table [providers.NAME] of the file, and has a base_url",)


def test_a_providers_key_is_a_secret_like_any_other() -> None:
    text = "[providers.local]\nbase_url = 'http://127.0.0.1:1'\napi_key = 'the-key-of-the-provider'"
    (fault,) = faults(written(text, mode=0o644))
    assert "holds providers.local.api_key" in fault
    settings = load_settings(written(text), environment={})
    assert redacted("it is the-key-of-the-provider") == f"it is {MASK}"
    assert "the-key" not in repr(settings.providers) + json.dumps(settings.shown())


def test_every_setting_is_read_by_some_part() -> None:
    package = Path(statek.__file__).parent
    nodes = (node for path in package.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    read = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2].lstrip("_") == "settings"
    }
    by_their_names = {*HARNESS_NAMES, *(f"model_{name}" for name in ProviderSettings.model_fields)}
    assert set(Settings.model_fields) - read <= by_their_names  # `Settings.harness` and `default_provider` do


def test_the_nearest_name_of_each_setting_with_a_letter_missing_is_that_setting() -> None:
    names = list(Settings.model_fields)
    for name in names:
        short = name[:-1]
        assert short in names or nearest(short, names) == name


# the command


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "statek", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"HOME": str(Path.cwd()), "PATH": os.environ["PATH"], **environment},
    )


@pytest.fixture
def file() -> Path:
    return written(f"store = 'here'\nmodel_api_key = '{KEY}'", "mine.toml")


def test_the_command_shows_each_setting_with_its_origin_and_no_secret(file: Path) -> None:
    done = run("--settings", str(file), "settings", "--json", STATEK_MAX_TURNS="9", STATEK_MODEL=KEY)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert list(shown) == list(load_settings(environment={}).shown())
    assert shown["store"] == {"value": str(Path.cwd() / "here"), "from": "mine.toml:1"}
    assert shown["max_turns"] == {"value": 9, "from": "STATEK_MAX_TURNS"}
    assert shown["workers"] == {"value": None, "from": "default"}
    assert KEY not in done.stdout
    table = run("--settings", str(file), "settings")
    assert KEY not in table.stdout
    assert "mine.toml:2" in table.stdout


def test_a_command_refuses_wrong_settings_with_a_line_for_each_fault_and_status_2() -> None:
    for command in (["scheduler"], ["exec", "-"]):
        done = run(*command, STATEK_MAX_TURNS="x", STATEK_NO_SUCH="1\x1b[2J", STATEK_STORE="store")
        assert done.returncode == 2
        assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["STATEK_NO_SUCH", "STATEK_MAX_TURNS"]
        assert not list(Path("store").glob("ledger*"))


def test_every_command_finds_the_store_that_the_file_names() -> None:
    written("store = 'named'")
    done = run("store", "check")
    assert str(Path.cwd() / "named") in done.stdout + done.stderr


def test_neither_the_package_nor_a_client_loads_what_only_settings_need() -> None:
    program = "import sys, statek, statek.cli.exec_command, statek.settings; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
