"""The life of a request, on one page.

    begin         the headers are here; paths of our own and CORS preflights are answered by `internal`
    route         service, operation, protocol: from the signature's scope, the target, the path, the form
    authenticate  whose key signed it, and did that key sign exactly this
    parse         bytes -> typed values (the bounded part), then the model's constraints
    authorise     every question the operation poses, on one snapshot
    stage         a streaming body is received only now
    attempt       one transaction: on a snapshot for operations that read, on the writer for those that change
    effect        waiting and running user code happen outside of any transaction; so does reading bytes once more, after
                  which the questions of `authorise` are asked again, in the attempt's own transaction
    serialise     typed values -> bytes, blobs opened inside the snapshot that found them

Operations with a streaming body go through the first five when their headers are complete, all others when their body
is. A reading operation does everything from `authenticate` on inside one snapshot, on the loop's thread, without a task.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pilvi.core.caller import ANONYMOUS, Caller
from pilvi.core.clock import Clock, Ids
from pilvi.core.context import Context, RequestInfo
from pilvi.core.effects import Body, Compute, Invocation, Invoke, Outcome, Restage, Staged, StagePlan, WaitFor
from pilvi.core.errors import CloudError, InternalFailure, NotBuilt
from pilvi.core.operation import Operation, Service, Stages
from pilvi.core.watched import WATCHED, Watcher, nobody
from pilvi.gateway import cors, effects, integrity, watch
from pilvi.gateway.answer import Answer, Plan, streamed
from pilvi.gateway.bodies import Receiver, receiver_for, unchunk
from pilvi.gateway.cloud import LocalCloud, authorise
from pilvi.gateway.observe import Observer
from pilvi.gateway.waits import Waits
from pilvi.identity.authenticate import AuthenticationFailed
from pilvi.identity.identity import Identity
from pilvi.state.store import Store, Tx
from pilvi.wire import protocol, sigv4
from pilvi.wire import route as routing
from pilvi.wire.auth_problems import AuthProblem
from pilvi.wire.codec import Codec
from pilvi.wire.http import Request, Response

if TYPE_CHECKING:
    from pilvi.gateway.forms import FormReceiver
    from pilvi.wire.aws_s3_form import FormCodec

log = logging.getLogger("pilvi.gateway")

Perform = Callable[[Invocation], Awaitable[Outcome]]
Told = Callable[[Outcome | None, BaseException | None], None]
PerformAtOnce = Callable[[Invocation, Told], Callable[[], None] | None]  # what cancels it; None: it cannot begin now
BODY_BYTES_MAX = 70 * 1024 * 1024  # AWS's largest bounded request: a function's zip in base64
UNSIGNED_BODY_BYTES_MAX = 1024 * 1024
UNASKED_BODY_BYTES_MAX = 64 * 1024  # of strangers, where the question whether they may depends on what the body says
TOKEN_PROBLEMS = frozenset({AuthProblem.BAD_TOKEN, AuthProblem.EXPIRED_TOKEN})


class Gateway:
    """What requests share: the parts of the cloud, put together by the composition root."""

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        store: Store,
        identity: Identity,
        cloud: LocalCloud,
        clock: Clock,
        ids: Ids,
        region: str,
        observer: Observer,
        perform: Perform,
        waits: Waits,
        internal: Callable[["Gateway", Request], Response | None],
        perform_at_once: PerformAtOnce | None = None,
        watcher: Watcher = nobody,
    ) -> None:
        self.services = services
        self.store = store
        self.identity = identity
        self.cloud = cloud
        self.clock = clock
        self.ids = ids
        self.region = region
        self.observer = observer
        self.perform = perform
        self.perform_at_once = perform_at_once
        self.watcher = watcher
        self.waits = waits
        self.internal = internal
        self._prefix = ids.hex(16)
        self._request_ids = itertools.count(int(ids.hex(16), 16))

    def next_request_id(self) -> str:
        """Unlike any other, in the form of a UUID. Not a secret."""
        number = f"{self._prefix}{next(self._request_ids) & 0xFFFFFFFFFFFFFFFF:016x}"
        return f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}"

    def begin(self, request: Request) -> Plan | Response:
        own = self.internal(self, request)
        if own is not None:
            return own
        return Exchange(self, request).begin()


class Exchange:
    """One request on its way. Holds what the steps find out; a step either goes on or raises what the client sees."""

    __slots__ = (
        "arrived", "begun_ms", "caller", "claims", "codec", "computed", "gateway", "info", "match", "memo", "now_ms", "operation",
        "receiver", "request", "request_id", "service", "shape", "signed", "started",
    )  # fmt: skip

    codec: Codec
    info: RequestInfo
    operation: Operation
    service: Service

    def __init__(self, gateway: Gateway, request: Request) -> None:
        self.gateway = gateway
        self.request = request
        self.started = time.perf_counter()
        self.arrived = self.started
        self.now_ms = self.begun_ms = gateway.clock.now_ms()
        self.request_id = gateway.next_request_id()
        self.claims: sigv4.Claims | None = None
        self.signed: sigv4.Signed | None = None
        self.match: routing.Match | None = None
        self.caller: Caller = ANONYMOUS
        self.receiver: Receiver | FormReceiver | None = None
        self.shape: dict[str, Any] = {}
        self.memo: dict[Any, Any] = {}
        self.computed: Any = None

    # -- the headers are complete ------------------------------------------------------------------------------------

    def begin(self) -> Plan | Response:
        try:
            self.claims = sigv4.read(self.request)
            if not self._action_is_in_the_form():
                self.route()
                if self.operation.stages is not None:
                    return self.unfold() if self.codec.unfolds else self.stage(self.operation.stages)
                if self.claims is None and self.operation.bodiless:
                    self.turn_away()
            return Plan(self._body_bytes_max(), None, self.finish_bounded, self.abort, self.fail)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
            return self.fail(error)

    def _action_is_in_the_form(self) -> bool:
        kind = self.request.headers.get("content-type", "")
        return self.request.method == "POST" and kind.startswith("application/x-www-form-urlencoded")

    def _body_bytes_max(self) -> int:
        """A stranger cannot make us hold much: the key at least must exist before more is taken."""
        claims, headers = self.claims, self.request.headers
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            return UNSIGNED_BODY_BYTES_MAX
        if claims is None and self.match is not None and self.operation.open and not self.operation.bodiless:
            return UNASKED_BODY_BYTES_MAX
        if claims is None or claims.problem is not None:
            return UNSIGNED_BODY_BYTES_MAX
        with self.gateway.store.read() as tx:
            try:
                self.gateway.identity.authenticate(tx, claims.access_key_id, claims.token, self.now_ms)
            except AuthenticationFailed:
                return UNSIGNED_BODY_BYTES_MAX
        return BODY_BYTES_MAX

    def turn_away(self) -> None:
        """A stranger who may not is told so before a body is read that would cost time."""
        assert self.match is not None
        with self.gateway.store.read() as tx:
            self.authenticate(tx, staged=False)
            shape = self.codec.parse(self.match, self.request)  # without the body: it is still to come
            authorise(self.gateway.identity, self.context(tx), self.service, self.operation, shape)

    def stage(self, stages: Stages) -> Plan:
        wanted = self.plan(stages)
        self.receiver = receiver_for(
            self.request, self.signed, self.gateway.store.stage(wanted.seal, wanted.digests), wanted
        )
        return Plan(wanted.bytes_max, self.receiver, self.finish_staged, self.abort, self.fail)

    def plan(self, stages: Stages) -> StagePlan:
        with self.gateway.store.read() as tx:
            self.authenticate(tx, staged=True)
            self.parse()
            ctx = self.context(tx)
            authorise(self.gateway.identity, ctx, self.service, self.operation, self.shape)
            return stages(ctx, self.shape)

    def unfold(self) -> Plan:
        """An HTML form: who asks for what stands at the beginning of its body."""
        from pilvi.gateway.forms import FormReceiver  # noqa: PLC0415 - most clouds are never sent one

        self.receiver = FormReceiver(cast("FormCodec", self.codec).form_reader(self.request), self.unfolded)
        return Plan(BODY_BYTES_MAX, self.receiver, self.finish_staged, self.abort, self.fail)

    def unfolded(self, form: Mapping[str, str]) -> Receiver:
        """Its fields are here; what takes its file."""
        assert self.operation.stages is not None
        self.request.form = form
        self.claims = sigv4.read_form(form)
        wanted = self.plan(self.operation.stages)
        return Receiver(self.gateway.store.stage(wanted.seal), wanted)

    # -- the body is complete ----------------------------------------------------------------------------------------

    def finish_bounded(self) -> Answer:
        try:
            if self.match is None:
                self.route()
            with self.gateway.store.read() as tx:
                self.authenticate(tx, staged=False)
                self.parse()
                ctx = self.context(tx)
                authorise(self.gateway.identity, ctx, self.service, self.operation, self.shape)
                if not self.operation.only_reads(self.shape):
                    return self.write()
                if self.operation.heavy and self.operation.takes_long(self.shape):
                    return self.aside()
                return self.settle(self.operation.run(ctx, self.shape), tx)
        except Exception as error:  # noqa: BLE001
            return self.fail(error)

    def finish_staged(self) -> Answer:
        try:
            assert self.receiver is not None
            self.arrived = time.perf_counter()
            self.shape[self.codec.streaming_input(self.operation.name)] = self.receiver.result()
            return self.write()
        except Exception as error:  # noqa: BLE001
            return self.fail(error)

    def abort(self) -> None:
        """The client went away, or its body broke: nothing happened."""
        if self.receiver is not None:
            self.receiver.abort()

    # -- the steps ---------------------------------------------------------------------------------------------------

    def route(self) -> None:
        claims, services = self.claims, self.gateway.services
        signing_name = claims.service if claims is not None and not claims.old else ""
        match = routing.route(self.request, signing_name=signing_name or None, built=services)
        self.match = match
        self.codec = protocol.codec(match.service, match.protocol)
        service = services[match.service]
        operation = service.operations.get(match.operation)
        if operation is None:
            operation = self.door(service, match)
        self.service = service
        self.operation = operation

    def door(self, service: Service, match: routing.Match) -> Operation:
        """An operation that AWS's model does not tell of."""
        found = service.doors.get(match.operation)
        if found is None:
            raise NotBuilt(f"{match.service}:{match.operation} is not built.")
        if not self.codec.signed:
            self.claims = None
        return found

    def authenticate(self, tx: Tx, *, staged: bool) -> None:
        claims, request, match = self.claims, self.request, self.match
        assert match is not None
        self.info = self._request_info()
        family = sigv4.family(match.service, match.protocol)
        if claims is None:
            if not self.operation.open:
                raise sigv4.as_error(AuthProblem.MISSING, family)
            return
        if claims.problem is not None:
            raise sigv4.as_error(claims.problem, family, *claims.details)
        try:
            known = self.gateway.identity.authenticate(tx, claims.access_key_id, claims.token, self.now_ms)
        except AuthenticationFailed as failed:
            problem = AuthProblem[failed.problem.name]
            detail = claims.token if problem in TOKEN_PROBLEMS else claims.access_key_id
            raise sigv4.as_error(problem, family, detail) from None
        self.signed = sigv4.verify(claims, request, known.secret, self.now_ms, family, staged=staged)
        if family == "s3":
            self.info.context.update(sigv4.condition_keys(claims, self.now_ms))
        self.caller = known.caller
        self.gateway.identity.used(known.caller, claims.service, claims.region, self.now_ms)

    def _request_info(self) -> RequestInfo:
        request = self.request
        headers = request.headers
        host = headers.get("host", "")
        if request.label:
            host = host.removeprefix(f"{request.label}.")
        claims = self.claims
        region = claims.region if claims is not None and claims.region else self.gateway.region
        context: dict[str, str | list[str]] = {
            "aws:RequestedRegion": region,
            "aws:SourceIp": request.peer,
            "aws:SecureTransport": "true" if request.secure else "false",
        }
        for key, header in (("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")):
            if header in headers:
                context[key] = headers[header]
        return RequestInfo(
            self.request_id,
            region,
            f"https://{host}" if request.secure else f"http://{host}",
            context,
            self.service.name,
            self.operation.name,
        )

    def parse(self) -> None:
        assert self.match is not None
        if self.request.body and self.match.service == "s3":
            unchunk(self.request, self.signed)
            described = self.codec.service.operations.get(self.match.operation)  # none of a door
            integrity.check(self.request, self.match.operation, described.http_checksum if described else None)
        self.shape = self.codec.parse(self.match, self.request)
        self.codec.validate(self.operation.name, self.shape)

    def context(self, tx: Tx, *, waited: bool = False, restaged: Staged | None = None) -> Context:
        gateway, caller, info = self.gateway, self.caller, self.info
        made = Context(tx, caller, info, self.now_ms, gateway.ids, gateway.cloud, waited=waited, restaged=restaged)
        made.computed = self.computed
        if WATCHED in self.memo:
            made.memo[WATCHED] = self.memo[WATCHED]
        self.memo = made.memo
        return made

    # -- the attempt -------------------------------------------------------------------------------------------------

    def write(self) -> Awaitable[Response]:
        """One attempt on the writer; the future has its answer once it is durable."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.gateway.store.submit(partial(self.attempt, False, None), partial(self._attempted, answer))
        return answer

    def attempt(self, waited: bool, restaged: Staged | None, tx: Tx) -> Any:
        result = self.operation.run(self.context(tx, waited=waited, restaged=restaged), self.shape)
        if isinstance(result, WaitFor | Restage | Compute):
            raise effects.Unfinished(result)
        return result

    def attempt_asking(self, waited: bool, restaged: Staged | None, tx: Tx) -> Any:
        """What was answered with yes a while ago is asked again, in the attempt's own transaction."""
        authorise(self.gateway.identity, self.context(tx), self.service, self.operation, self.shape)
        return self.attempt(waited, restaged, tx)

    def _attempted(self, answer: asyncio.Future[Response], result: Any, error: BaseException | None) -> None:
        """On the loop, after the commit (or the undoing)."""
        if answer.done():  # the client went away; what it sent is kept only if its attempt was
            if error is not None:
                self.abort()
            return
        try:
            if isinstance(error, effects.Unfinished):
                effects.finish_in_task(answer, effects.go_on(self, error.effect))
            elif error is not None:
                answer.set_result(self.fail(error))
            elif isinstance(result, Invoke):
                effects.finish_in_task(answer, effects.invoke(self, result))
            else:
                answer.set_result(self.serialise(result, None))
        except Exception as failure:  # noqa: BLE001
            answer.set_result(self.fail(failure))

    async def aside(self) -> Response:
        """A heavy reading operation."""
        try:
            response, size = await asyncio.get_running_loop().run_in_executor(None, self.read_aside)
        except Exception as error:  # noqa: BLE001
            return self.fail(error)
        self.observe(response, "", size)
        return response

    def read_aside(self) -> tuple[Response, int]:
        """On a thread of its own."""
        with self.gateway.store.read() as tx:
            result = self.operation.run(self.context(tx), self.shape)
            assert not isinstance(result, Invoke | WaitFor), "a heavy operation answers at once"
            return self.answer(result, tx)

    # -- effects -----------------------------------------------------------------------------------------------------

    def settle(self, result: Any, tx: Tx) -> Answer:
        if isinstance(result, Invoke):
            return effects.invoke_at_once(self, result) or effects.invoke(self, result)
        if isinstance(result, WaitFor):
            return effects.sleep(self, result)
        return self.serialise(result, tx)

    # -- the answer --------------------------------------------------------------------------------------------------

    def serialise(self, result: Any, tx: Tx | None) -> Response:
        response, size = self.answer(result, tx)
        self.observe(response, "", size)
        return response

    def answer(self, result: Any, tx: Tx | None) -> tuple[Response, int]:
        """The response, and the length of its body."""
        response = self.codec.serialise(self.operation.name, result, self.request_id)
        if "origin" in self.request.headers:
            self.share(response, tx)
        body = response.body
        if not isinstance(body, Body):
            return response, len(body)
        assert tx is not None, "a body is answered by operations that read"
        store = self.gateway.store
        opened = [store.open_blob(tx, segment) for segment in body.segments]
        if len(opened) == 1 and opened[0].data is not None:
            response.body = opened[0].data
            return response, len(response.body)
        return streamed(response, opened), body.length

    def fail(self, error: BaseException) -> Response:
        if self.receiver is not None:
            self.receiver.abort()
        if not isinstance(error, CloudError):
            log.error("request %s failed inside", self.request_id, exc_info=error)
            error = InternalFailure("The request processing has failed because of an internal error.")
        response = self._error_response(error)
        if "origin" in self.request.headers:
            self.share(response, None)
        if not self.memo and self.match is not None:
            watch.find_watchers(self)
        self.observe(response, error.code)
        return response

    def share(self, response: Response, tx: Tx | None) -> None:
        """A page of another origin asked."""
        service = self.gateway.services.get(self.match.service) if self.match else None
        cors.share(self.request, response, self.match, service, tx, self.gateway.store)

    def _error_response(self, error: CloudError) -> Response:
        if self.match is None:
            return protocol.fallback(self.request).error(error, None, self.request_id)
        return self.codec.error(error, self.match.operation, self.request_id)

    def observe(self, response: Response, error: str, bytes_out: int = 0) -> None:
        match, caller, status = self.match, self.caller, response.status
        now = time.perf_counter()
        self.gateway.observer.record(
            self.request_id,
            self.request.method,
            status,
            int((now - self.started) * 1_000_000),
            match.service if match else "",
            match.operation if match else "",
            caller.account,
            caller.arn,
            self.request.peer,
            error,
            bytes_out,
        )
        if WATCHED in self.memo:
            watch.tell(self, response, error, bytes_out, now)
