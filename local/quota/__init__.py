"""The quota trial: how much of a shared quota our hosts use, compared with a naive worker."""
