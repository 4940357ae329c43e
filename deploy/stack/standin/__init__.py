"""A small LangFuse for the local stack and the tests: takes the SDK's traces, answers the read endpoints the engine
uses. Held to the recorded answers of a real server by ``tests/standin``."""
