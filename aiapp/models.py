"""Every table, so that each process has the whole metadata, whichever feature it imports first."""

from aiapp.accounts.models import ApiToken, PasswordReset, User, UserSession
from aiapp.api.models import IdempotencyKey
from aiapp.audit import AuditEvent
from aiapp.batches.models import Batch, BatchRow
from aiapp.credentials.models import Credential, CredentialCheck
from aiapp.executions.lists.view_models import ListPreference, SavedView
from aiapp.executions.models import Attempt, Execution, QueuePause
from aiapp.feedback.models import Feedback
from aiapp.installation.models import ProviderSetting
from aiapp.prompt_templates import search_tables
from aiapp.prompt_templates.models import PromptFavourite, PromptRevision, PromptTemplate, PromptVersion, Tag
from aiapp.prompt_templates.release_models import (
    Label,
    LabelledVersion,
    PreviewLink,
    PromptApproval,
    PromptEvent,
    PublishingRule,
)
from aiapp.webhooks.models import Webhook, WebhookDelivery
from aiapp.workspaces.models import Invitation, Membership, Workspace

__all__ = [
    "ApiToken",
    "Attempt",
    "AuditEvent",
    "Batch",
    "BatchRow",
    "Credential",
    "CredentialCheck",
    "Execution",
    "Feedback",
    "IdempotencyKey",
    "Invitation",
    "Label",
    "LabelledVersion",
    "ListPreference",
    "Membership",
    "PasswordReset",
    "PreviewLink",
    "PromptApproval",
    "PromptEvent",
    "PromptFavourite",
    "PromptRevision",
    "PromptTemplate",
    "PromptVersion",
    "ProviderSetting",
    "PublishingRule",
    "QueuePause",
    "SavedView",
    "Tag",
    "User",
    "UserSession",
    "Webhook",
    "WebhookDelivery",
    "Workspace",
    "search_tables",
]
