"""Workspaces: members, roles, invitations, audit; who may do what."""
