# The deployment of deploy/mcp-hub by short names; scripts/containers.sh does the work.
#   make up PROFILES="postgres redis"      make up DEV=1      make logs STACK=matrix
STACK ?= mcp-hub
PROFILES ?=
DEV ?=

.DEFAULT_GOAL := help
.PHONY: help build build-dev rebuild healthcheck up down restart status logs

# The service of each stack that tandem runs in, where it is not called as the stack.
service_matrix := matrix-hub
service_ai-service := gateway

containers = scripts/containers.sh $(1) $(STACK) $(if $(DEV),--dev) $(PROFILES:%=--profile %)

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'STACK=NAME            a directory of deploy/ (mcp-hub)'
	@echo 'PROFILES="A B"        profiles of its compose file: postgres, redis'
	@echo 'DEV=1                 its compose.dev.yaml: sources and configuration are read as they change'

build: ## Build the image
	$(call containers,build)

build-dev: DEV = 1
build-dev: ## Build the image for development
	$(call containers,build)

rebuild: ## Build the image anew, from its first layer
	$(call containers,build) --no-cache

up: ## Start the stack, and return once it is healthy
	$(call containers,up)

down: ## Stop the stack and remove it; volumes stay
	$(call containers,down)

restart: ## Build, and start again in new containers
	$(call containers,restart)

status: ## Show the containers and their health
	$(call containers,status)

logs: ## Show their output, until Ctrl-C
	$(call containers,logs)

healthcheck: ## Ask the health check inside of the container, showing each try
	$(call containers,exec) -T --env HEALTHCHECK_DEBUG=1 $(or $(service_$(STACK)),$(STACK)) /opt/tandem/bin/tandem health
