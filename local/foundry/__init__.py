"""An emulator of the Foundry images API: strict, with measured replies, and with faults on request.

It shares no code with the app, so that it does not repeat the app's mistakes. Its facts come from
Microsoft's and OpenAI's documentation and from published measurements; assumptions are marked.

* `api`      routes, requests and their validation, error bodies, and how a body is sent
* `replies`  bodies of replies, token counts and prices, faults and refusals by name
* `drawing`  the pictures: text in every script, posters in several languages
* `state`    models, sizes, quota, ledger, settings, and the calls that run
"""
