"""The operator's settings: config.toml, environment variables (HOLDFAST__SECTION__KEY) and the command line; each key documented.

`policy_from` is the only bridge from configuration to the pure code.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.limits import Limits
from bot.relays.values import BadRelayUrl, normal_url
from handlers.batching import Batching
from handlers.fees import Fees
from handlers.policy import DAY, Policy
from kinds.figures import read_npub
from kinds.lightning import NodeFacts
from kinds.rate import DIGITS
from kinds.states import Payer
from kinds.units import EventId, Pubkey, sats


class BadConfig(Exception):
    """A setting is wrong; the text names it and says what is allowed."""


HOLD_CLTV = {"simnet": 2000}
"""Blocks that a hold lasts where the operator says nothing; on real networks 864, since payers bound the whole route."""

CUSTODY = {"simnet": ("ledger",)}
"""What is offered besides held payments where the operator says nothing: to keep other people's money is his to decide."""

LEAST_ROOM = 6  # blocks of a hold that are left for the work


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


SUPPLY = 21_000_000 * 100_000_000  # sats
FIXED = "fixed"  # the source of play rates
_WELL_KNOWN = ("INR", "NGN", "KES", "USD", "EUR")  # at the head of the list of all
Sats = Annotated[int, Field(ge=1, le=SUPPLY)]


class Daemon(_Section):
    data: Path = Field(Path("data"), description="Directory of the database, keys and the simulated node.")
    name: str = Field("Holdfast", max_length=50, description="The daemon's public name (kind 0).")
    about: str = Field(
        "Escrow for paid tasks over Nostr and Lightning. Send me: help",
        max_length=500,
        description="Its public description.",
    )
    operator: str = Field(
        "",
        description="The operator's own key, npub or hex: its messages may pause, freeze and ban. Empty: only the command line.",
    )
    sweep_seconds: Annotated[float, Field(ge=1, le=300)] = Field(
        60, description="Timers look at least once in so many seconds."
    )

    @field_validator("operator")
    @classmethod
    def _key(cls, text: str) -> str:
        key = read_npub(text) if text else ""
        if key is None:
            raise ValueError("it is an npub or 64 hex digits")
        return key


class RelaySettings(_Section):
    urls: tuple[str, ...] = Field(
        (), max_length=16, description="Relays to live on; none: the embedded one is started."
    )
    embedded_host: str = Field("127.0.0.1", description="Where the embedded relay listens.")
    embedded_port: Annotated[int, Field(ge=0, le=65535)] = Field(7777, description="Its port; 0 for any free one.")
    allow_private: bool = Field(False, description="Letters may go to relays in private networks that people name.")

    @field_validator("urls")
    @classmethod
    def _normal(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(normal_url(url) for url in urls))
        except BadRelayUrl as error:
            raise ValueError(str(error)) from error


class NodeSettings(_Section):
    kind: Literal["simnet", "lnd", "cln", "nwc"] = Field(
        "simnet", description="The Lightning node: simnet is a simulation with play money."
    )
    network: Literal["", "simnet", "regtest", "signet", "testnet", "bitcoin"] = Field(
        "", description="The network that the node must be on; empty for any but bitcoin, where money is real."
    )
    block_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        600, description="simnet: seconds from one block to the next."
    )


class LndSettings(_Section):
    """Only for node.kind = "lnd": how LND is reached, by its REST interface."""

    url: str = Field("https://127.0.0.1:8080", description="Address of LND's REST interface (restlisten).")
    tls_cert: str = Field("", description="File of LND's certificate, tls.cert: only this very one is trusted.")
    macaroon: str = Field(
        "", description="File of a macaroon for the daemon; empty: the systemd credential lnd.macaroon."
    )
    preimage_key: str = Field(
        "",
        description="File of the keys of all preimages; empty: preimage.key in the data directory. HOLDFAST_PREIMAGE_KEY "
        "and the systemd credential preimage.key go before it. Without it no hold can be settled: keep a copy.",
    )
    hold_expiry_delta: Annotated[int, Field(ge=1, le=120)] = Field(
        18,
        description="Blocks before its end at which LND cancels a hold by itself: invoices.holdexpirydelta of its settings.",
    )
    private_channels: bool = Field(False, description="Invoices name private channels: for a node without public ones.")

    @field_validator("url")
    @classmethod
    def _secure(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError("LND is only spoken to by https")
        return url.rstrip("/")


class ClnSettings(_Section):
    """Core Lightning, when node.kind is cln."""

    rpc: Path = Field(Path("~/.lightning/bitcoin/lightning-rpc"), description="lightningd's socket.")
    timeout: Annotated[float, Field(ge=1, le=120)] = Field(
        15, description="Seconds that lightningd may take for an answer."
    )


class NwcSettings(_Section):
    """For node.kind = "nwc": a wallet that speaks Nostr Wallet Connect (NIP-47) with hold invoices, such as Alby Hub."""

    connection: Path = Field(
        Path("nwc.connection"),
        description="File with the connection string nostr+walletconnect://..., a secret (chmod 600); from daemon.data on.",
    )
    preimage_key: str = Field(
        "",
        description="File of the keys of all preimages; empty: preimage.key in the data directory. HOLDFAST_PREIMAGE_KEY "
        "and the systemd credential preimage.key go before it. Without it no hold can be settled: keep a copy.",
    )
    max_sat: Sats = Field(
        100_000,
        description="Largest reward in sats, whatever the terms say: a wallet shows less than a node of one's own.",
    )
    extra_cltv: Annotated[int, Field(ge=0, le=144)] = Field(
        40, description="Blocks added to a hold, since the wallet wants it settled so long before its end (LDK: 39)."
    )
    refresh_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        20, description="Height and balance are asked for once in so many seconds at most."
    )


class TermsSettings(_Section):
    """What is published as the operator's terms. Changes hold for new tasks only."""

    min_reward_sat: Sats = Field(100, description="Smallest reward, in sats.")
    max_reward_sat: Sats = Field(1_000_000, description="Largest reward, in sats.")
    milestones_above_sat: Sats = Field(
        100_000, description="Larger projects are advised to be cut into milestones, in sats."
    )
    milestones_above_price: Annotated[int, Field(ge=0, le=10**9)] = Field(
        10_000, description="... and those with a price in a currency above so much of it."
    )
    deposit_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        25, description="So much of a large task the employer is asked to lock ahead, in percent; he may say no."
    )
    deposit_above_sat: Sats = Field(30_000, description="... where it costs more than this, in sats.")
    deposit_above_price: Annotated[int, Field(ge=0, le=10**9)] = Field(
        3_000, description="... or, with a price in a currency, more than so much of it."
    )
    budget_base_sat: Sats = Field(
        10, description="A payout's fee budget is at least this, in sats, paid by the employer."
    )
    budget_ppm: Annotated[int, Field(ge=0, le=100_000)] = Field(
        10_000, description="... and at least this part of the payout, in millionths."
    )
    min_part_sat: Sats = Field(5_000, description="Smallest part of a payment in parts, in sats.")
    max_parts: Annotated[int, Field(ge=1, le=30)] = Field(8, description="Most parts of a payment.")
    hold_cltv: Annotated[int, Field(ge=0, le=2006)] = Field(
        0, description="Blocks that a hold lasts, at least 400; 0 for 864, on simnet 2000."
    )
    margin: Annotated[int, Field(ge=20, le=144)] = Field(
        58, description="Settled at least this many blocks before its end."
    )
    payout_limit: Annotated[int, Field(ge=144, le=1008)] = Field(
        288, description="Blocks that a payout's route may take."
    )
    dispute_reserve: Annotated[int, Field(ge=0, le=1008)] = Field(144, description="Blocks kept for a dispute.")
    invoice_expiry: Annotated[int, Field(ge=60, le=86400)] = Field(3600, description="Seconds that an invoice lives.")
    hold_timeout: Annotated[int, Field(ge=60, le=30 * 86400)] = Field(
        86400, description="Seconds that a funded task waits."
    )
    review_window: Annotated[int, Field(ge=60, le=30 * 86400)] = Field(86400, description="Seconds to judge a proof.")
    custody_modes: tuple[Literal["lightning_self", "ledger"], ...] = Field(
        (),
        description="Where an agreement's money may lie: lightning_self (held payments), ledger (also taken into your books, where both sides "
        "agreed; then you keep other people's money). Empty: lightning_self, on simnet both.",
    )
    dispute_days: Annotated[int, Field(ge=1, le=366)] = Field(
        30, description="Days after which a dispute about money in the books gives it back to the employer."
    )
    quotes_a_day: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Invoices per task and day.")
    proofs_a_day: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Proofs per task and day.")

    @field_validator("hold_cltv")
    @classmethod
    def _long_enough(cls, blocks: int) -> int:
        if 0 < blocks < 400:
            raise ValueError("a hold lasts 400 blocks or more; 0 leaves it to the node")
        return blocks

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_reward_sat < self.min_reward_sat:
            raise ValueError(f"max_reward_sat is {self.min_reward_sat} (min_reward_sat) or more")
        return self


class FeeSettings(_Section):
    """The service fee: published with the terms, shown before anything is signed. Changes hold for new tasks only."""

    ppm: Annotated[int, Field(ge=0, le=500_000)] = Field(
        0, description="Service fee in millionths of the reward: 10000 is 1 percent."
    )
    base_sat: Annotated[int, Field(ge=0, le=1_000_000)] = Field(0, description="... and so many sats for each task.")
    minimum_sat: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="... and at least so many sats in all."
    )
    payer: Payer = Field(
        Payer.EMPLOYER, description="employer (on top of the reward), worker (off what he gets), split (half and half)."
    )
    insurance_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        10, description="Percent of each service fee that is kept in the insurance account."
    )

    def terms(self) -> Fees:
        return Fees(
            ppm=self.ppm,
            base=sats(self.base_sat),
            minimum=sats(self.minimum_sat),
            payer=self.payer,
            insurance_percent=self.insurance_percent,
        )


class PriceSource(_Section):
    """Somebody who tells what a bitcoin costs. Addresses may hold keys: they are written nowhere."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$")
    url: str = Field(max_length=2000, repr=False)
    path: str = Field("{CURRENCY}", max_length=200)
    paths: dict[str, str] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _secure(cls, url: str) -> str:
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        at_home = host.partition(":")[0] in ("127.0.0.1", "localhost") or host.startswith("[::1]")
        if not (url.startswith("https://") or (url.startswith("http://") and at_home)):
            raise ValueError("a source is asked by https")
        return url


class PriceSettings(_Section):
    """Prices in local currencies. docs/OPERATIONS.md has an example; on simnet there is a fixed play rate for every currency."""

    sources: tuple[PriceSource, ...] = Field(
        (),
        max_length=16,
        description="Who is asked what a bitcoin costs, tables of name, url and path; none: prices are in sats only, on simnet at a fixed rate.",
    )
    currencies: tuple[str, ...] = Field(
        (),
        description="Codes of the currencies that are offered, such as INR, NGN, KES, USD, EUR; on simnet, empty: all.",
    )
    agree: Annotated[int, Field(ge=2, le=16)] = Field(2, description="So many sources must agree for a new rate.")
    spread_percent: Annotated[int, Field(ge=1, le=20)] = Field(
        3, description="A source that is further from the median does not count."
    )
    jump_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        20, description="A rate that is further from the last good one is not believed as long as that one counts."
    )
    max_age_minutes: Annotated[int, Field(ge=1, le=30)] = Field(
        30, description="How old a rate may be when it is frozen; then prices in that currency are refused."
    )
    refresh_seconds: Annotated[int, Field(ge=10, le=600)] = Field(60, description="Sources are asked once in so long.")
    timeout: Annotated[float, Field(ge=1, le=60)] = Field(10, description="Seconds for one answer.")
    max_bytes: Annotated[int, Field(ge=1024, le=10**6)] = Field(65536, description="Largest answer, in bytes.")
    invoice_expiry: Annotated[int, Field(ge=60, le=3600)] = Field(
        600, description="Seconds that an invoice at a frozen rate lives."
    )

    @field_validator("currencies")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(code.upper() for code in codes))
        if unknown := [code for code in found if code not in DIGITS]:
            raise ValueError(f"{', '.join(unknown)}: no currency that is known here")
        return found

    @model_validator(mode="after")
    def _enough(self) -> Self:
        names = {source.name for source in self.sources}
        if len(names) != len(self.sources) or FIXED in names:
            raise ValueError(f"each source has a name of its own, and none is called {FIXED}")
        if self.sources and (len(names) < self.agree or not self.currencies):
            raise ValueError(f"{self.agree} sources or more are needed, and the currencies for which they are asked")
        return self

    def offered(self, network: str) -> tuple[str, ...]:
        """The currencies in which a price may be named."""
        if self.is_fixed(network):
            return self.currencies or tuple(dict.fromkeys((*_WELL_KNOWN, *sorted(DIGITS))))
        return self.currencies if self.sources else ()

    def is_fixed(self, network: str) -> bool:
        """Play money has a play rate."""
        return network == "simnet" and not self.sources


class LiquiditySettings(_Section):
    """When new invoices are refused for want of room, and the operator is told. Approved work is always paid first."""

    min_inbound_sat: Annotated[int, Field(ge=0, le=SUPPLY)] = Field(
        0, description="Sats that the node can still receive when a new invoice is paid."
    )
    min_outbound_sat: Annotated[int, Field(ge=0, le=SUPPLY)] = Field(
        0, description="Sats that it can still send when all approved work is paid."
    )
    min_free_slots: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0, description="HTLC slots that are still free when a new invoice is paid."
    )
    max_held_sat: Annotated[int, Field(ge=0, le=SUPPLY)] = Field(
        0, description="Most sats that are held at once, open invoices included; 0: no ceiling."
    )


class SettlementSettings(_Section):
    """Under load held payments are settled in rounds, which is easier on the node. The workers have been paid before."""

    batch_seconds: Annotated[int, Field(ge=0, le=600)] = Field(
        0,
        description="A round each so many seconds, for example 300; 0: each at once. Never past a hold's last safe block.",
    )
    batch_from: Annotated[int, Field(ge=1, le=100_000)] = Field(
        20, description="So many settles within the time of a round are load; fewer go at once."
    )

    def batching(self) -> Batching:
        return Batching(self.batch_seconds, self.batch_from)


class LimitSettings(_Section):
    messages_a_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(
        60, description="Messages that one person may send."
    )
    invoices_a_day: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100, description="Per person, over all his tasks."
    )
    stranger_bits: Annotated[int, Field(ge=0, le=40)] = Field(
        0, description="NIP-13 work asked of people without a task."
    )


class DmSettings(_Section):
    nip04: bool = Field(True, description="Also understand the old NIP-04 messages, and answer in kind.")


class FetchSettings(_Section):
    enabled: bool = Field(False, description="Download deliverables (http, https) and compare their sha256.")
    allow_private: bool = Field(False, description="Also from private networks: only for tests.")
    max_bytes: Annotated[int, Field(ge=1024, le=10**10)] = Field(50 * 2**20, description="Largest file, in bytes.")
    timeout: Annotated[float, Field(ge=1, le=90)] = Field(60, description="Seconds for one download.")


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged to stderr.")
    json_lines: bool = Field(False, description="One JSON object a line instead of text.")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST__", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    daemon: Daemon = Daemon()
    relays: RelaySettings = RelaySettings()
    node: NodeSettings = NodeSettings()
    lnd: LndSettings = LndSettings()
    cln: ClnSettings = ClnSettings()
    nwc: NwcSettings = NwcSettings()
    terms: TermsSettings = TermsSettings()
    fees: FeeSettings = FeeSettings()
    prices: PriceSettings = PriceSettings()
    liquidity: LiquiditySettings = LiquiditySettings()
    settlement: SettlementSettings = SettlementSettings()
    limits: LimitSettings = LimitSettings()
    dm: DmSettings = DmSettings()
    fetch: FetchSettings = FetchSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings  # the environment over the file


def load(file: Path | None, data: Path | None = None) -> Settings:
    """Settings from a file (none: defaults), with the data directory of the command line over it. Raises BadConfig."""
    raw: dict[str, object] = {}
    if file is not None:
        try:
            raw = tomllib.loads(file.read_text())
        except OSError as error:
            raise BadConfig(f"{file} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadConfig(f"{file} is not TOML: {error}") from error
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise BadConfig("; ".join(_sentence(detail) for detail in error.errors()[:5])) from error
    if data is not None:
        settings = settings.model_copy(update={"daemon": settings.daemon.model_copy(update={"data": data})})
    return settings


def _sentence(detail: object) -> str:
    assert isinstance(detail, dict), "pydantic describes an error by a dict"
    if not detail["loc"]:  # a variable of the environment that is no JSON where JSON is needed
        return f'{detail["msg"].removeprefix("Value error, ")}; lists are written like ["wss://relay.example"]'
    where = ".".join(str(step) for step in detail["loc"])
    if detail["type"] == "extra_forbidden":
        section = Settings.model_fields.get(str(detail["loc"][0]))
        known = (
            Settings.model_fields
            if len(detail["loc"]) == 1
            else getattr(section and section.annotation, "model_fields", {})
        )
        return f"{where}: there is no such setting; known here: {', '.join(known)}"
    given = "" if detail["loc"][0] == "prices" else f" (given: {detail['input']!r})"  # an address may hold a key
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}{given}"


def policy_from(settings: Settings, bot: Pubkey, facts: NodeFacts, terms_version: EventId) -> Policy:
    terms, fixed = settings.terms, settings.prices.is_fixed(facts.network)
    return Policy(
        bot=bot,
        network=facts.network,
        hrp=facts.hrp,
        node=facts.pubkey,
        terms_version=terms_version,
        operator=settings.daemon.operator,
        min_reward=sats(terms.min_reward_sat),
        max_reward=sats(min(terms.max_reward_sat, settings.nwc.max_sat if settings.node.kind == "nwc" else SUPPLY)),
        milestones_above=sats(terms.milestones_above_sat),
        milestones_above_price=terms.milestones_above_price,
        deposit_percent=terms.deposit_percent,
        deposit_above=sats(terms.deposit_above_sat),
        deposit_above_price=terms.deposit_above_price,
        budget_base=sats(terms.budget_base_sat),
        budget_ppm=terms.budget_ppm,
        fees=settings.fees.terms(),
        min_part=sats(terms.min_part_sat),
        max_parts=terms.max_parts,
        hold_cltv=terms.hold_cltv or HOLD_CLTV.get(facts.network, 864),
        margin=terms.margin,
        payout_limit=terms.payout_limit,
        reserve=terms.dispute_reserve,
        invoice_expiry=terms.invoice_expiry,
        hold_timeout=terms.hold_timeout,
        review_window=terms.review_window,
        dispute_limit=terms.dispute_days * DAY,
        custody_modes=tuple(
            dict.fromkeys(("lightning_self", *(terms.custody_modes or CUSTODY.get(facts.network, ()))))
        ),
        min_inbound=sats(settings.liquidity.min_inbound_sat),
        min_outbound=sats(settings.liquidity.min_outbound_sat),
        min_slots=settings.liquidity.min_free_slots,
        max_held=sats(settings.liquidity.max_held_sat),
        currencies=settings.prices.offered(facts.network),
        rate_sources=(FIXED,) if fixed else tuple(source.name for source in settings.prices.sources),
        rate_agree=1 if fixed else settings.prices.agree,
        rate_spread=settings.prices.spread_percent,
        rate_age=settings.prices.max_age_minutes * 60,
        rate_expiry=settings.prices.invoice_expiry,
        quotes_a_day=terms.quotes_a_day,
        proofs_a_day=terms.proofs_a_day,
        fetch=settings.fetch.enabled,
        can=tuple(sorted(facts.can)),
    )


def need_room(policy: Policy) -> None:
    """Raises BadConfig for terms under which no task would fit into a hold."""
    if policy.room() < LEAST_ROOM:
        raise BadConfig(
            f"terms.hold_cltv: a hold of {policy.hold_cltv} blocks leaves no time for work, since margin, payout_limit,"
            f" dispute_reserve and review_window take {policy.hold_cltv - policy.room()} of them; lower one of these,"
            " or let it last longer (at most 2006)"
        )


def need_net(policy: Policy) -> None:
    """Raises BadConfig for a service fee that would leave nothing of the smallest reward to the worker; what leaves him something
    of that leaves him more of a larger one."""
    taken = policy.fees.of_worker(policy.min_reward)
    if taken >= policy.min_reward:
        raise BadConfig(
            f"fees: of the smallest reward, {policy.min_reward // 1000} sats, the worker would pay {taken // 1000};"
            " lower the fee, or raise terms.min_reward_sat"
        )


def limits_from(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(limits.messages_a_minute, limits.invoices_a_day, limits.stranger_bits)
