"""A small LangFuse for the local stack and the tests: takes the SDK's traces, answers the read endpoints the engine
uses. Held to the recorded answers of a real server 4.16.0 by ``tests/standin``; what it does not play, it answers with
501, never with a guess."""
