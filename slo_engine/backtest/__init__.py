"""Policies over a history, or over an outage that is made up: when would each alert have fired, and what was missed?"""
