"""From the bytes of one job line to the request that is sent, or to all that is wrong with it. Pure."""
