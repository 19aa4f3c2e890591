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
AZURE = (
    "In the Azure portal or Foundry, create an Azure OpenAI resource and deploy a model: the deployment's name is the model.",
    "Copy the endpoint, https://your-resource.openai.azure.com, as the base URL, and one of the two keys.",
    "Nothing else is needed: the bare endpoint is spoken to at /openai/v1.",
    "Only where older paths, which name the deployment, are needed: set the API version under Advanced, such as 2024-10-21.",
    "If the test says that the model does not exist, it is the deployment's name that is wrong, or it is minutes old.",
)
ANTHROPIC = (
    "Sign in to the Claude platform and create a key under API keys; it begins with sk-ant-.",
    "Buy credit under Billing: a Claude subscription does not pay for the API.",
    "Paste the key. The base URL is the bare host, without /v1.",
)
GOOGLE = (
    "Sign in to Google AI Studio and create a key; it begins with AIza or AQ.",
    "Without billing the limits of the free tier hold, and Google may read the prompts: link a billing account to the project.",
    "Paste the key. The base URL is the bare host, without /v1beta.",
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
COHERE = (
    "Sign in to the Cohere dashboard and create a key under API keys.",
    "A trial key may make 1,000 calls a month and must not be used in production: create a production key for more.",
    "Paste the key. The base URL is the bare host, without /v2.",
)
TOGETHER = (
    "Sign in to Together, add credit under Billing, and create a key under API keys.",
    "Paste the key. Models are named with their maker: openai/gpt-oss-120b.",
)
PERPLEXITY = (
    "Open the Perplexity console, buy credit for an API group (a Pro subscription does not pay for the API), and create a key.",
    "Paste the key; it begins with pplx-. Each request is billed for its search too.",
)
CEREBRAS = (
    "Sign in to Cerebras Cloud and create a key under API keys; it begins with csk-.",
    "Mind the limits of the free tier: few tokens a day and short contexts.",
    "Paste the key.",
)
HUGGING_FACE = (
    "Create a fine-grained token in your Hugging Face settings and let it make calls to Inference Providers; it begins with hf_.",
    "Free accounts have a few cents of credit a month: a Pro account or bought credit has more.",
    "Paste the token. A host can be named after the model: openai/gpt-oss-120b:cerebras; without one, the router chooses.",
)
ZAI = (
    "Sign in to Z.ai, top up your balance, and create a key under API keys.",
    "Paste the key. For a Coding Plan, the base URL is https://api.z.ai/api/coding/paas/v4.",
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
OLLAMA_CLOUD = (
    "Sign in to ollama.com and create a key under Settings, Keys.",
    "Paste the key. Models are named without -cloud: gpt-oss:120b. The free plan has hourly and weekly limits.",
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
    "This is right for vLLM, llama.cpp (llama-server), GPUStack (http://host/v1), LiteLLM, and any provider that is not listed.",
    "Choose the model by the name under which the server offers it; the test lists them.",
    _DOCKER,
    _PRIVATE,
)
DEMO = (
    "There is nothing to set up: the answers are made on this server, cost nothing and need no key.",
    "The model chooses the script: demo-good answers, demo-bad-key, demo-rate-limited, demo-overloaded and demo-cut fail.",
    "demo-careful refuses what mentions a password.",
)
