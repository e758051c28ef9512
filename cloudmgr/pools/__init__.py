"""Pools of interchangeable capacity and the drivers that speak to them."""
