"""Pools of an OpenStack cloud: a project for each environment, a server for each replica."""
