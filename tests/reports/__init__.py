"""Tests of the monthly report."""
