"""Departments, which ask, use and pay, and the billing accounts that stand behind them."""
