"""aiapp: prompt templates, credentials and executions for teams."""
