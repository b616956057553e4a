# SPDX-License-Identifier: Apache-2.0
"""gunicorn's configuration for gunicorn_agent.py."""

preload_app = True
workers = 2
max_requests = 1000  # workers that come and go are agents that come and go
