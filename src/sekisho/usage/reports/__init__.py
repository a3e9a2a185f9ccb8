"""Sums of calls over time, and by what they were for."""
