"""Store pictures to edit that callers upload over HTTP, part by part.

The last part commits the blob if none has its name, and the app then reads it as a whole: what is
no picture is deleted again. A stop in between leaves a blob that each job checks before it uses it.
"""

from ..errors import AlreadyExists, Fault, StaleVersion, UnreadableReply
from ..http_api.problems import Refused, problem, refused
from ..http_api.uploads import UploadedInput, UploadPart
from ..pictures.inputs import HEAD_BYTES, InputHead, read_inputs
from ..pictures.measuring import PictureFacts, PictureMeter
from ..stores.world import World


async def store_part(
    part: UploadPart, body: bytes, world: World
) -> tuple[UploadedInput, bool] | None:
    """Store a part. After the last one, return the picture and whether it is new; else None.

    The same picture under the same name again is no error. Raises `Refused` for another one, for
    bytes that are no picture, and where parts are missing.
    """
    blobs, is_new = world.input_pictures.blobs, True
    await blobs.stage(part.name, part.blocks[part.number], body)
    if not part.is_last:
        return None
    try:
        await blobs.commit(part.name, part.blocks, content_type=part.content_type, metadata={})
    except AlreadyExists:
        is_new = False
    head = await world.inputs.head(part.name, most=HEAD_BYTES)
    if head is None:
        raise refused("upload_conflict", "parts before the last one are missing; send all again")
    facts, faults = await _check(part, head, world)
    if faults and is_new:
        await blobs.delete(part.name, if_version=head.version)
        raise Refused(problem("invalid_upload", "; ".join(map(str, faults)), faults=faults))
    if faults or facts is None:
        raise refused("upload_conflict", f"{part.name!r} has other content; use another name")
    return UploadedInput(name=part.name, **facts.model_dump(exclude={"c2pa"})), is_new


async def _check(
    part: UploadPart, head: InputHead, world: World
) -> tuple[PictureFacts | None, list[Fault]]:
    """Return the facts of a stored picture, and why it is not the one that was uploaded."""
    meter, name = PictureMeter(), part.name
    try:
        async for piece in world.inputs.read(name, head.version):
            meter.feed(piece)
        facts = meter.finish()
    except (StaleVersion, UnreadableReply) as error:
        return None, [Fault("body", str(error))]
    faults = [Fault("body", fault.message) for fault in read_inputs([name], None, {name: head})[1]]
    if facts.sha256 != part.sha256:
        faults.append(Fault("Repr-Digest", f"the SHA-256 of the picture is {facts.sha256}"))
    if facts.content_type != part.content_type:
        faults.append(Fault("Content-Type", f"the picture is {facts.content_type}"))
    return facts, faults
