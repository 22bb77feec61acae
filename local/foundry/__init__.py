"""A stand-in for the Foundry images API: strict, measured, and able to misbehave on request.

It shares no code with the app, so that a mistake there is not repeated here. Its facts come from
Microsoft's and OpenAI's documentation and from published measurements; what is assumed says so.

* `server`    routes, and the life of one call      * `admin`     switches, faults, ledger by HTTP
* `models`    line-up, qualities, prices, seconds   * `sizes`     the size rules and their messages
* `tokens`    output and input tokens, dollars      * `auth`      keys and tokens
* `members`   checks on single request members      * `asks`      a request of the OpenAI format
* `families`  requests of MAI and FLUX              * `forms`     multipart, inputs and masks
* `problems`  the error bodies                      * `faults`    misbehaviour by name
* `quota`     requests per minute, in slices        * `ledger`    what was made and must be paid
* `lettering` text in every script                  * `panels`    one message in many languages
* `drawing`   the picture                           * `studio`    drawing off the loop, encoding
* `replies`   bodies and events                     * `wire`      pacing, cutting, stalling
* `links`     pictures that replies link
"""
