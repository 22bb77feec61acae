"""Facts about pictures, from their bytes.

* `measuring`: type, size, length and digest of a picture, while its bytes pass
* `inputs`: the pictures of an edit, checked before any call
* `renditions`: what a finish makes from each original, and the blob names
* `provenance`: the C2PA manifest that an original holds, the metadata of a rendition
"""
