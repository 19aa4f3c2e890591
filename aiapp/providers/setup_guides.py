"""The steps to a working credential, one guide a provider, plain text: what people read beside the form."""

from __future__ import annotations

_PRIVATE = (
    "Private addresses are closed until whoever runs this server names them, as host:port, in AIAPP_OUTBOUND_ALLOW."
)
_DOCKER = "If this app runs in Docker and the model server on the same machine, use host.docker.internal instead of localhost."

OPENAI = (
    "Sign in to the OpenAI platform and create a project key under API keys; it begins with sk-.",
    "Add credit under Billing: a ChatGPT subscription does not pay for the API.",
    "Paste the key. If the key is restricted to some permissions, it needs models and chat completions.",
)
ANTHROPIC = (
    "Sign in to the Claude platform and create a key under API keys; it begins with sk-ant-.",
    "Buy credit under Billing: a Claude subscription does not pay for the API.",
    "Paste the key. The base URL is the bare host, without /v1.",
)
XAI = (
    "Sign in to the xAI console, add credit to your team, and create a key; it begins with xai-.",
    "Let the key use the chat endpoint and the models that you want.",
    "Paste the key.",
)
MISTRAL = (
    "Sign in to the Mistral console and choose a plan for your workspace; the free one has low limits.",
    "Create a key under API keys. It works a minute or two later.",
    "Paste the key.",
)
GROQ = (
    "Sign in to the Groq console and create a key under API Keys; it begins with gsk_.",
    "Mind the limits of the free tier: long prompts are refused until you upgrade.",
    "Paste the key.",
)
OPENROUTER = (
    "Sign in to OpenRouter, buy credits, and create a key under Keys; it begins with sk-or-.",
    "A limit on the key is a good idea: the key can spend at every provider behind it.",
    "Paste the key. Models are named with their maker: openai/gpt-6-luna.",
)
DEEPSEEK = (
    "Sign in to the DeepSeek platform and top up your balance.",
    "Create a key under API keys; it begins with sk- and is shown once.",
    "Paste the key.",
)
OLLAMA = (
    "Install Ollama on the machine that has the GPU and pull a model: ollama pull qwen3",
    "To reach it from another machine, let it listen on the network: OLLAMA_HOST=0.0.0.0:11434, then restart it.",
    "If a proxy in front of it sends an Origin header, allow that one: OLLAMA_ORIGINS=https://your.host",
    "Long prompts need a larger context than the default 4,096 tokens: OLLAMA_CONTEXT_LENGTH=16384",
    f"{_DOCKER} On Linux, start the container with --add-host=host.docker.internal:host-gateway.",
    _PRIVATE,
)
LM_STUDIO = (
    "Download a model in LM Studio, open the Developer tab and start the server (or run: lms server start).",
    "To reach it from another machine, switch on Serve on Local Network in the server's settings.",
    "If Require Authentication is on there, create a token and paste it as the key; else leave the key empty.",
    _DOCKER,
    _PRIVATE,
)
OPENAI_COMPATIBLE = (
    "Enter the address that an OpenAI client would take as its base URL; it mostly ends in /v1: http://gpu-1:8000/v1",
    "Enter the key that the server was started with; leave it empty if there is none.",
    "Choose the model by the name under which the server offers it; the test lists them.",
    _DOCKER,
    _PRIVATE,
)
DEMO = (
    "There is nothing to set up: the answers are made on this server, cost nothing and need no key.",
    "The model chooses the script: demo-good answers, demo-bad-key, demo-rate-limited, demo-overloaded and demo-cut fail.",
)
