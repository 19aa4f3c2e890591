"""What an answer is made of: text, JSON, YAML, XML, Markdown, CSV; read, checked and shown. PURE."""
