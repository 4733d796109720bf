"""What a run will cost, what it may still spend, what an unread answer may have cost. Pure."""
