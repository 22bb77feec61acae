"""Which rights on storage a piece of code needs, told by its calls."""

import ast
from collections.abc import Iterator

from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

#: A right on the account: no container can give it.
SIGN = "sign"
#: What a call of the storage SDK needs. A method that is missing here is asked for by the test.
NEEDS = {
    "upload_blob": {"write"},
    "stage_block": {"write"},
    "commit_block_list": {"write"},
    "set_blob_metadata": {"write"},
    "acquire_lease": {"write"},
    "download_blob": {"read"},
    "get_blob_properties": {"read"},
    "exists": {"read"},
    "list_blobs": {"read"},
    "list_blob_names": {"read"},
    "walk_blobs": {"read"},
    "delete_blob": {"delete"},
    "delete_blobs": {"delete"},
    "get_blob_tags": {"tags"},
    "set_blob_tags": {"tags"},
    "find_blobs_by_tags": {"filter"},
    "get_user_delegation_key": {SIGN},
    "send_message": {"add"},
    "peek_messages": {"peek"},
    "receive_message": {"process"},
    "receive_messages": {"process"},
    "delete_message": {"process"},
    "update_message": {"update"},
    "get_queue_properties": {"count"},
}
#: What a call of our own needs, by the last word of what it is called on.
OWN_NEEDS = {
    ("blobs", "put"): {"write"},
    ("blobs", "stage"): {"write"},
    ("blobs", "commit"): {"write"},
    ("blobs", "delete"): {"delete"},
    ("blobs", "list"): {"read"},
    ("blobs", "read"): {"read"},
    ("blobs", "find"): {"read"},
    # Of what was found:
    ("blobs", "items"): set[str](),
    ("blobs", "values"): set[str](),
}
#: Modules that carry requests for others and make none of their own.
CARRIERS = {"blobs.py", "rest.py"}
#: Calls that only make an object.
LOCAL = {"close", "get_blob_client", "get_container_client", "get_queue_client"}
LOCAL |= {"from_connection_string", "from_blob_url", "from_container_url", "from_queue_url", "url"}
CLIENTS = (BlobClient, BlobServiceClient, ContainerClient, QueueClient, QueueServiceClient)
METHODS = {name for client in CLIENTS for name in dir(client) if not name.startswith("_")}


def needs_of(tree: ast.AST) -> Iterator[str]:
    """Yield what the calls in a piece of code need; `?name` for a call that NEEDS lacks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == "userdelegationkey":
            yield SIGN
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            on = ast.unparse(node.func.value).rpartition(".")[2].lstrip("_")
            if on == "blobs" and name not in METHODS:
                yield from OWN_NEEDS.get((on, name), () if name == "url" else {f"?{name}"})
            elif name in NEEDS:
                yield from NEEDS[name]
                if any(keyword.arg == "tags" for keyword in node.keywords):
                    yield "tags"
            elif name in METHODS - LOCAL:
                yield f"?{name}"
