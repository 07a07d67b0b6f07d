"""Many tools: where they are from (`catalogue`), which may fit a request (`bm25`, or another `index`), which to show (`choose`)."""
